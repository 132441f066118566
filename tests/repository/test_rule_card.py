"""docs/webhook.md says of the rules of its card what each profile does with them where the API server asks."""

from __future__ import annotations

import re

import pytest
import yaml

from kmodgate.policy.config import Mode, Policy, Profile, read_policy
from kmodgate.policy.rule import RULES, load_rules
from tests.fleets import REPOSITORY

load_rules()

SECTION = (
    (REPOSITORY / "docs" / "webhook.md")
    .read_text(encoding="utf-8")
    .partition("### What refuses, and what only warns")[2]
    .partition("\n## ")[0]
)
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in SECTION.splitlines()
    if re.match(r"\|.*\d", line)
]
WORDS = {Mode.ENFORCE: "refused", Mode.WARN: "warned of", Mode.AUDIT: "recorded", Mode.DISABLED: "nothing"}


def told(policy: Policy, id: str) -> str:
    """What a finding of the rule does at admission, in the words of the page."""
    rule = RULES[id]
    mode = policy.mode(id, rule.severity, "admit")
    if mode is Mode.ENFORCE and rule.facts and not rule.guards:
        mode = policy.mode_on_arrival(id)
    return WORDS[mode]


@pytest.mark.parametrize(("what", "ids", "default", "strict"), ROWS, ids=[row[1] for row in ROWS])
def test_each_row_says_what_its_rules_do(what: str, ids: str, default: str, strict: str) -> None:
    profiles: dict[Profile, str] = {"default": default, "strict": strict, "parity": "nothing"}
    for id in ids.split(", "):
        assert {profile: told(Policy(profile=profile), id) for profile in profiles} == profiles, what


def test_the_policy_of_the_page_refuses_all_but_what_waits_for_secrets_and_labels_of_spokes() -> None:
    spec = yaml.safe_load(SECTION.partition("```yaml\n")[2].partition("```")[0])["spec"]
    policy = read_policy(spec)
    refused = {id for row in ROWS for id in row[1].split(", ") if told(policy, id) == "refused"}
    assert {id for row in ROWS for id in row[1].split(", ")} - refused == {
        "HUB201", "REF101", "SGN206", "SGN301", "SGN302", "SGN303"
    }  # fmt: skip
    assert (policy.parameters.max_node_share, policy.parameters.signing) == (50, True)

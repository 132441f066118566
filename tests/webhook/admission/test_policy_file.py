"""The policy of a running server: reload, and mistakes in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmodgate.policy.config import Policy, Profile
from kmodgate.webhook.admission import policy_file
from kmodgate.webhook.admission.policy_file import PolicyFile, load
from tests.webhook.reviews import (
    loading_container,
    pod,
    review,
)
from tests.webhook.server import serving

POLICY = "apiVersion: kmodgate.io/v1alpha1\nkind: DriverPolicy\nmetadata: {{name: lab}}\nspec: {{{}}}\n"
LOADING = review("CREATE", "Pod", pod(containers=[loading_container()]))


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.format("modes: {PRV: audit}"))
    return file


def replace(path: Path, text: str) -> None:
    """Give a file another text at once, as mounted volumes do: no reader sees a part of it."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


@pytest.mark.timing
def test_a_policy_that_changes_is_taken_over_for_objects_of_any_size(tmp_path: Path, policy: Path) -> None:
    large = pod(containers=[loading_container()])
    large["metadata"]["annotations"] = {"a": "x" * 300_000}
    with serving(tmp_path, "--policy", str(policy)) as server:
        first = server.post(LOADING)
        assert server.post(review("CREATE", "Pod", large)).allowed
        replace(policy, POLICY.format("modes: {PRV: enforce}"))
        taken = server.event("policy taken over")
        then = server.post(LOADING)
        assert (first.allowed, then.allowed) == (True, False)
        assert not server.post(review("CREATE", "Pod", large)).allowed
        assert then.response["auditAnnotations"]["policy"] == taken["hash"]
        assert first.response["auditAnnotations"]["policy"] != taken["hash"]
        assert server.metric('kmodgate_policy_reloads_total{outcome="taken"}') == 1
        assert server.metric(f'kmodgate_policy_info{{hash="{taken["hash"]}",profile="default"}}') == 1
        assert server.operations("/metrics")[1].count("\nkmodgate_policy_info{") == 1


@pytest.mark.timing
def test_a_broken_policy_leaves_the_last_good_one_in_force_and_says_so_until_it_is_mended(
    tmp_path: Path, policy: Path
) -> None:
    replace(policy, POLICY.format("modes: {PRV: enforce}"))
    with serving(tmp_path, "--policy", str(policy)) as server:
        before = server.post(LOADING)
        replace(policy, POLICY.format("modes: {PRV: perhaps}"))
        told = server.event("policy refused; the last good one stays in force")
        assert (told["level"], str(policy) in told["problem"]) == ("error", True)
        assert json.loads(server.post(LOADING).body) == json.loads(before.body)
        assert server.metric("kmodgate_policy_valid") == 0
        assert server.metric('kmodgate_policy_reloads_total{outcome="refused"}') == 1
        status, detail = server.operations("/readyz")
        assert (status, f"[+] policy: {told['problem']}" in detail) == (200, True)
        replace(policy, POLICY.format("modes: {PRV: audit}"))
        server.event("policy taken over")
        assert server.post(LOADING).allowed
        assert server.metric("kmodgate_policy_valid") == 1
        assert "[+] policy\n" in server.operations("/readyz")[1]


@pytest.mark.timing
def test_a_policy_that_is_restored_to_what_is_in_force_is_told_of_and_the_problem_gone(
    tmp_path: Path, policy: Path
) -> None:
    good = policy.read_text()
    with serving(tmp_path, "--policy", str(policy)) as server:
        replace(policy, POLICY.format("modes: {PRV: perhaps}"))
        server.event("policy refused; the last good one stays in force")
        replace(policy, good)
        told = server.event("policy valid again, and the one in force")
        assert (told["level"], told["hash"]) == ("info", server.event("serving")["policy"])
        assert server.metric("kmodgate_policy_valid") == 1
        assert server.metric('kmodgate_policy_reloads_total{outcome="restored"}') == 1
        assert "[+] policy\n" in server.operations("/readyz")[1]


BROKEN = {
    "empty": "", "no YAML": "{", "another kind": "kind: Other\n", "an unknown field": POLICY.format("unknown: 1"),
    "not text": "\x00", "two documents": POLICY.format("") + "---\n" + POLICY.format(""),
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_no_file_that_is_no_policy_replaces_one_that_is(policy: Path, text: str) -> None:
    file = PolicyFile(policy, None)
    held = file.policy
    policy.write_text(text)
    assert not file.refresh()
    assert (file.policy, str(policy) in file.problem) == (held, True)


def test_a_policy_that_changes_while_it_is_read_for_the_first_time_is_read_again(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded_and_changed(path: Path | None, profile: Profile | None) -> Policy:
        found = load(path, profile)
        policy.write_text(POLICY.format("modes: {PRV: enforce}"))
        return found

    monkeypatch.setattr(policy_file, "load", loaded_and_changed)
    file = PolicyFile(policy, None)
    assert file.refresh()
    assert file.policy.modes == {"PRV": "enforce"}


def test_a_policy_whose_file_is_gone_stays_in_force(policy: Path) -> None:
    file = PolicyFile(policy, None)
    held = file.policy
    policy.unlink()
    assert not file.refresh()
    assert (file.policy, bool(file.problem)) == (held, True)

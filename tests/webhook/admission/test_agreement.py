"""Invariant I3: `kmodgate check` and `/validate` find the same in the same object, with the same policy and facts.

A reply carries no messages of what is only recorded, and cuts what is long. So the triples of rule, field and message
come from `decide`, which is given the bytes that an API server sends; and a server that runs, given the same bytes, has
to answer what these findings are encoded to, byte by byte. Between the two nothing is left that could differ.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
import yaml

from kmodgate.policy.config import Platform, Policy
from kmodgate.policy.engine import MOST_FINDINGS
from kmodgate.policy.findings import NOT_CHECKED
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.fail_closed import decide
from kmodgate.webhook.admission.policy_file import load
from kmodgate.webhook.cluster.dump_file import read_snapshot
from kmodgate.webhook.cluster.live_cluster import SnapshotCluster
from tests.conftest import Kmodgate
from tests.fleets import FleetFolder
from tests.objects.modules import TRAITS
from tests.oracle import lines
from tests.webhook.admission.agreement_cases import LAB, POLICIES, SOURCE_PARAMS, SOURCES, Case, neighbours
from tests.webhook.reviews import (
    Object,
    loading_container,
    module,
    pod,
)
from tests.webhook.server import Caller, serving

Triple = tuple[str, str, str]
"""Rule, field, message."""


def admitter_of(policy: str, folder: Path) -> Admitter:
    """The webhook's judge for one of the policies; a server has one, too."""
    chosen = load(_lab(folder), None) if policy == "lab" else Policy(policy)  # type: ignore[arg-type]
    return Admitter(chosen, TRAITS)


def flags_of(policy: str, folder: Path) -> tuple[str, ...]:
    """How commands are told the policy."""
    return ("--policy", str(_lab(folder))) if policy == "lab" else ("--profile", policy)


def _lab(folder: Path) -> Path:
    file = folder / "lab.yaml"
    file.write_text(LAB, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("facts") / "cluster.json"
    file.write_text(neighbours(), encoding="utf-8")
    return file


def files_of(folder: Path, cases: Sequence[Case]) -> Path:
    """A folder with a folder for each case, whose file knows of no other; what there was before is the last commit."""
    if any(case.old for case in cases):
        _write(folder, [case.old or case.object for case in cases])
        for command in ("init -q", "add .", "-c user.name=a -c user.email=a@example.com commit -qm a"):
            subprocess.run(["git", *command.split()], cwd=folder, check=True)
    return _write(folder, [case.object for case in cases])


def _write(folder: Path, objects: Iterable[Object]) -> Path:
    for index, item in enumerate(objects):
        path = folder / f"{index:04}" / f"{index:04}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(item), encoding="utf-8")
    return folder


def found_by_check(
    kmodgate: Kmodgate, folder: Path, facts: Path, policy: tuple[str, ...], number: int
) -> list[list[Triple]]:
    """What `check` finds in each file; what a fact was missing for is told once and belongs to none."""
    done = kmodgate("check", "--format", "json", *policy, "--facts", facts, folder)
    assert done.returncode in (0, 1), done.stderr
    found: list[set[Triple]] = [set() for _ in range(number)]
    for item in json.loads(done.stdout)["findings"]:
        if not item["message"].startswith(NOT_CHECKED):
            found[int(Path(item["file"]).stem)].add((item["rule"], item["field"], item["message"]))
    return [sorted(triples) for triples in found]


@dataclass(frozen=True)
class Judged:
    """What the webhook finds in an object, and what it answers."""

    triples: list[Triple]
    reply: bytes


@cache
def judged(source: str, policy: str, facts: Path) -> list[Judged]:
    """What the webhook finds in each case of a source."""
    admitter = admitter_of(policy, facts.parent)
    answers = decided(SOURCES[source](), admitter, facts)
    return [Judged(triples_of(answer), answer.encoded(admitter.digest)) for answer in answers]


def decided(cases: Iterable[Case], admitter: Admitter, facts: Path) -> list[Answer]:
    cluster, now = SnapshotCluster(read_snapshot(str(facts))), datetime.now(UTC)

    async def all_of_them() -> list[Answer]:
        return [await decide("/validate", case.body, admitter, cluster, now) for case in cases]

    return asyncio.run(all_of_them())


def triples_of(answer: Answer) -> list[Triple]:
    found = (item for item in answer.findings if not item.is_unchecked)
    return sorted({(item.rule, item.field, item.message) for item in found})


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("source", SOURCE_PARAMS)
def test_check_and_the_webhook_find_the_same(
    kmodgate: Kmodgate, tmp_path: Path, facts: Path, source: str, policy: str
) -> None:
    cases = SOURCES[source]()
    objects = tmp_path / "objects"
    objects.mkdir()
    by_check = found_by_check(kmodgate, files_of(objects, cases), facts, flags_of(policy, tmp_path), len(cases))
    for case, checked, admitted in zip(cases, by_check, judged(source, policy, facts), strict=True):
        assert admitted.triples == (checked if case.is_asked else []), case
    seen = {rule for triples in by_check for rule, _, _ in triples}
    assert seen >= (SEEN_UNDER_PARITY if policy == "parity" else SEEN)[source]


SEEN_UNDER_PARITY = {
    "modules": {"SCH103", "KMM101"}, "other kinds": {"KMM801"}, "updates": {"KMM601"}, "examples": set(), "workloads": set(), "corpus": {"KMM101"},
}  # fmt: skip
"""Rules that show that a comparison compares something; nothing is wrong with the others under KMM's own rules."""

SEEN = {
    "modules": {"SEL202", "SEL204", "REF101", "SGN202", "SGN301"}, "other kinds": {"IMG104"}, "updates": {"KMM601"},
    "examples": {"REF101"}, "workloads": {"KTA101", "PRV101"}, "corpus": {"REF101", "IMG102"},
}  # fmt: skip
"""The same under other policies, rules among them that need facts, and the old object."""


@pytest.fixture(scope="module", params=POLICIES)
def policed(
    request: pytest.FixtureRequest, facts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Caller]]:
    """A policy, and a connection to a server under it."""
    folder = tmp_path_factory.mktemp("policed")
    with serving(folder, *flags_of(request.param, folder), "--facts", str(facts)) as server, server.caller() as caller:
        yield request.param, caller


@pytest.mark.parametrize("source", SOURCE_PARAMS)
def test_a_server_answers_what_was_found(policed: tuple[str, Caller], facts: Path, source: str) -> None:
    policy, caller = policed
    for case, found in zip(SOURCES[source](), judged(source, policy, facts), strict=True):
        reply = caller.send("POST", "/validate", case.body, {"Content-Type": "application/json"})
        assert reply.body == found.reply, case


@pytest.mark.shared
def test_the_defaults_of_the_api_server_change_nothing(facts: Path) -> None:
    cases = [case for case in lines("modules-create") if "defaulted" in case]
    assert len(cases) > 20
    admitter = Admitter(Policy("strict"), TRAITS)
    written = decided([Case(case["object"]) for case in cases], admitter, facts)
    stored = decided([Case(case["defaulted"]) for case in cases], admitter, facts)
    for case, before, after in zip(cases, written, stored, strict=True):
        assert triples_of(before) == triples_of(after), case


def test_both_find_the_same_in_an_object_with_more_findings_than_anybody_reads(
    kmodgate: Kmodgate, tmp_path: Path, facts: Path
) -> None:
    files = {"certSecret": {"name": "a"}, "keySecret": {"name": "b"}}
    case = Case(module(sign=files | {"filesToSign": ["/opt/nic.ko", *(f"/nic-{number}" for number in range(1500))]}))
    objects = tmp_path / "objects"
    objects.mkdir()
    (checked,) = found_by_check(kmodgate, files_of(objects, [case]), facts, (), 1)
    (answer,) = decided([case], Admitter(Policy(), TRAITS), facts)
    assert triples_of(answer) == checked
    counts = Counter(rule for rule, _, _ in checked)
    assert max(counts.values()) == MOST_FINDINGS + 1
    assert "more than 1000 findings" in " ".join(message for _, _, message in checked)


@pytest.mark.parametrize("platform", ["openshift", "kubernetes"])
def test_both_know_what_may_load_modules_on_the_platform_of_the_cluster(
    tmp_path: Path, facts: Path, platform: Platform
) -> None:
    fleet = FleetFolder(tmp_path / "fleet")
    fleet.cluster("paris", platform=platform)
    for namespace, account in (("openshift-nfd", "nfd-worker"), ("node-feature-discovery", "nfd-worker")):
        item = pod("worker", namespace, containers=[loading_container()], serviceAccountName=account)
        fleet.write("rendered/paris/worker.yaml", yaml.safe_dump(item))
        done = fleet.run("check", "rendered/paris/worker.yaml", "--format", "json")
        checked = {found["rule"] for found in json.loads(done.stdout)["findings"]}
        (answer,) = decided([Case(item)], Admitter(Policy(), replace(TRAITS, platform=platform)), facts)
        is_its_own = namespace.startswith("openshift") == (platform == "openshift")
        assert checked == {finding.rule for finding in answer.findings}
        assert ("PRV101" in checked) is not is_its_own

"""Modes: which one a finding gets, from the policy, the gate, the user and the day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
import yaml

from kmodgate.policy.cluster.facts import SnapshotFacts
from kmodgate.policy.config import PLATFORM_PREFIXES, PLATFORMS, Policy, PolicyException, Profile, read_policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.findings import Mode, Severity
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.parameters import NO_PARAMETERS, DkmsWork, Kata, Parameters
from kmodgate.policy.review import Review
from tests.command import run
from tests.fleets import REPOSITORY

LOOSE = REPOSITORY / "tests/rules/MAP202/fail-bare-version.yaml"


@pytest.mark.parametrize(
    ("modes", "mode"),
    [
        ({}, Mode.WARN), ({"*": Mode.ENFORCE}, Mode.ENFORCE), ({"*": Mode.ENFORCE, "MAP": Mode.AUDIT}, Mode.AUDIT),
        ({"MAP": Mode.AUDIT, "MAP202": Mode.DISABLED}, Mode.DISABLED), ({"IMG": Mode.AUDIT}, Mode.WARN),
    ],
)  # fmt: skip
def test_the_most_specific_mode_decides(modes: dict[str, Mode], mode: Mode) -> None:
    assert Policy("default", modes).mode("MAP202", Severity.WARNING) is mode
    assert Policy("default", modes, {"check": {"*": Mode.WARN}}).mode("MAP202", Severity.WARNING) is Mode.WARN
    assert Policy("default", modes, {"check": {"*": Mode.WARN}}).mode("MAP202", Severity.WARNING, "admit") is mode


def test_rules_about_settings_of_ims_are_asked_at_admission_only_by_name() -> None:
    assert Policy().mode("IMS307", Severity.ERROR) is Mode.ENFORCE
    assert Policy().mode("IMS307", Severity.ERROR, "admit") is Mode.DISABLED
    assert Policy(gates={"admit": {"IMS": Mode.WARN}}).mode("IMS307", Severity.ERROR, "admit") is Mode.WARN


def test_a_parameter_that_a_policy_does_not_set_is_no_part_of_its_hash() -> None:
    unset = replace(NO_PARAMETERS, require_digest=False)
    assert Policy(parameters=unset).digest == Policy().digest
    assert Policy(parameters=replace(NO_PARAMETERS, require_digest=True)).digest != Policy().digest
    assert read_policy({"modes": {}, "parameters": {}}).digest == Policy().digest


def test_parameters_have_safe_defaults() -> None:
    assert read_policy({}).parameters == read_policy({"parameters": {}}).parameters == Parameters()
    kata = Parameters().kata
    assert (kata.runtime_classes, kata.annotations, kata.ims_namespace) == (("kata-qemu",), None, "ims")
    assert (Parameters().max_mappings, Parameters().max_override_hours, Parameters().max_node_share) == (1000, 24, 0)


def test_what_becomes_of_existing_workloads_is_read_from_the_spec() -> None:
    found = read_policy({"parameters": {"kernelAccess": {}}}).parameters
    assert (found.refuses_existing, found.enforced_since, found.inline_drivers) == (False, None, ())
    access = {"existing": "refuse", "enforcedSince": "2026-01-31T18:00:00Z", "inlineDrivers": ["a"]}
    found = read_policy({"parameters": {"kernelAccess": access, "kata": {"handlers": {"c": ["h"]}}}}).parameters
    assert (found.refuses_existing, found.inline_drivers) == (True, ("a",))
    assert found.enforced_since == datetime(2026, 1, 31, 18, tzinfo=UTC)
    assert found.kata.handlers == {"c": ("h",)}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"kernelAccess": {"enforcedSince": "2026-01-31"}}, "enforcedSince"),
        ({"kernelAccess": {"enforcedSince": "2026-01-31T18:00:00"}}, "enforcedSince"),
        ({"kernelAccess": {"enforcedSince": "yesterday"}}, "enforcedSince"),
        ({"kernelAccess": {"existing": "keep"}}, "existing"),
        ({"kernelAccess": {"inlineDrivers": [""]}}, "inlineDrivers"),
        ({"kata": {"handlers": {"Not a name": ["kata"]}}}, "handlers"),
        ({"kata": {"handlers": {"kata": []}}}, "handlers"),
        ({"kata": {"handlers": {"kata": ["*"]}}}, "handlers"),
    ],
)
def test_a_policy_that_says_it_wrongly_is_refused_with_the_place(tmp_path: Path, spec: object, path: str) -> None:
    file = tmp_path / "policy.yaml"
    head = {"apiVersion": "kmodgate.io/v1alpha1", "kind": "DriverPolicy", "metadata": {"name": "p"}}
    file.write_text(yaml.safe_dump({**head, "spec": {"parameters": spec}}, default_style='"'))
    done = run("check", "--policy", str(file), str(LOOSE), cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert path in done.stdout + done.stderr


def test_a_problem_does_no_more_than_it_says_itself() -> None:
    for most, expected in (
        (Mode.ENFORCE, [Mode.ENFORCE, Mode.WARN, Mode.AUDIT]),
        (Mode.WARN, [Mode.WARN, Mode.WARN, Mode.AUDIT]),
        (Mode.AUDIT, [Mode.AUDIT] * 3),
    ):
        assert [mode.up_to(most) for mode in (Mode.ENFORCE, Mode.WARN, Mode.AUDIT)] == expected
        assert Mode.DISABLED.up_to(most) is Mode.DISABLED


def test_parameters_are_read_from_the_spec() -> None:
    spec = {
        "kata": {"runtimeClasses": ["a"], "annotations": {}, "work": {"serviceAccounts": ["b/c"]}, "imsNamespace": "d"},
        "kernelAccess": {"approved": [{"namespace": "e", "serviceAccount": "f"}]},
        "controllers": ["g"],
        "maxNodeShare": 10,
        "maxMappings": 20,
        "override": {"maxHours": 2},
    }
    found = read_policy({"parameters": spec}).parameters
    assert found.kata == Kata(("a",), {}, DkmsWork(service_accounts=("b/c",)), "d")
    assert (found.kernel_access, found.controllers) == ((("e", "f"),), ("g",))
    assert (found.max_node_share, found.max_mappings, found.max_override_hours) == (10, 20, 2)
    assert read_policy({"parameters": spec}).digest != read_policy({}).digest


def test_time_is_an_input() -> None:
    object = defaulted(yaml.safe_load(LOOSE.read_text()))
    exception = PolicyException("MAP202", "", "drivers", "", "ops", "T-1", date(2026, 6, 15))
    held = Policy("strict", exceptions=(exception,))

    def modes(today: date) -> set[str]:
        return {
            item.mode
            for item in Engine(held).evaluate(Review(object, now=datetime.combine(today, time.max, UTC)))
            if item.rule == "MAP202"
        }

    assert modes(date(2026, 6, 15)) == {"audit"}
    assert modes(date(2026, 6, 16)) == {"enforce"}


KMM = "system:serviceaccount:openshift-kmm:kmm-operator-controller"

BROKEN = {
    "apiVersion": "kmm.sigs.x-k8s.io/v1beta1",
    "kind": "Module",
    "metadata": {"name": "nic", "namespace": "drivers"},
    "spec": {"selector": {}, "moduleLoader": {"container": {"modprobe": {}, "kernelMappings": [{"regexp": "("}]}}},
}


def modes(user: str, profile: Profile = "default", **spec: object) -> set[str]:
    changed = BROKEN | {"spec": BROKEN["spec"] | spec}  # type: ignore[operator]
    review = Review(changed, BROKEN, "UPDATE", user=user)
    return {finding.mode for finding in Engine(Policy(profile), "admit").evaluate(review)}


def test_kmm_may_do_the_upkeep_of_a_module_that_the_rules_refuse() -> None:
    assert "enforce" not in modes(KMM)
    assert "enforce" in modes("alice")
    assert "enforce" in modes(KMM, version="2")
    assert "enforce" in modes(KMM, "parity")


def test_finalizing_a_namespace_is_no_upkeep() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drivers", "deletionTimestamp": "now"}}
    review = Review(namespace, namespace, "UPDATE", subresource="finalize", facts=SnapshotFacts([]))
    (finding,) = Engine(Policy(), "admit").evaluate(review)
    assert (finding.rule, finding.mode) == ("REF203", "enforce")


@pytest.mark.parametrize("user", [KMM, "system:serviceaccount:kube-system:namespace-controller", "alice"])
@pytest.mark.parametrize("ends", [True, False])
def test_setting_an_override_is_no_upkeep_whoever_does_it(user: str, ends: bool) -> None:
    metadata = {"name": "drivers"} | ({"deletionTimestamp": "now"} if ends else {})
    old = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    annotations = {"kmodgate.io/override": "mallory until 2026-01-31T18:00:00Z"}
    new = old | {"metadata": metadata | {"annotations": annotations}}
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    review = Review(new, old, "UPDATE", user=user, may_override=False, facts=SnapshotFacts([]), now=now)
    (finding,) = Engine(Policy(), "admit").evaluate(review)
    assert (finding.rule, finding.mode) == ("REF205", "enforce")


@pytest.mark.parametrize("modes", [{}, {"REF206": "disabled"}, {"REF": "disabled"}, {"*": "disabled"}])
def test_no_policy_keeps_a_used_override_out_of_the_audit(modes: dict[str, str]) -> None:
    annotations = {"kmodgate.io/override": "alice until 2026-01-31T18:00:00Z"}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "drivers", "annotations": annotations},
    }
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    review = Review(
        namespace, None, "DELETE", user="alice", may_override=True, facts=SnapshotFacts([BROKEN], ["Module"]), now=now
    )
    (finding,) = Engine(read_policy({"modes": modes}), "admit").evaluate(review)
    assert (finding.rule, finding.mode) == ("REF206", "audit")
    assert "alice answers" in finding.message


def test_every_platform_says_which_namespaces_are_its_own() -> None:
    assert PLATFORM_PREFIXES.keys() == set(PLATFORMS)

"""The comparison of two releases, for a reader and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims.questions.upgrade import JobChange, Kind, Side
from kmodgate.policy.ims.service.decision import Decision
from kmodgate.renderer.ims.decision_text import heading
from kmodgate.renderer.wording import counted

_HEADINGS = {
    Kind.LEAVES: "LEAVE THEIR VM",
    Kind.FAILS: "CANNOT BE MADE ANY MORE",
    Kind.ENTERS: "GO INTO A VM",
    Kind.WORKS: "CAN BE MADE NOW",
    Kind.CHANGES: "CHANGE OTHERWISE",
    Kind.NEVER: "CANNOT BE MADE, BEFORE OR AFTER",
}
_FIXES = {
    Kind.LEAVES: "before the upgrade, put the flag into git and run kmodgate ims sync-recipes, or"
    " cray ims recipes update --require-dkms true ID; for customize jobs a CFS layer with ims_require_dkms: true"
}


@dataclass
class Comparison:
    """What an upgrade changes: jobs, and in words the settings, the sizes, and what no single job shows."""

    before: Side
    after: Side
    jobs: list[JobChange]
    settings: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken_templates: list[str] = field(default_factory=list)

    def of(self, kind: Kind) -> list[JobChange]:
        return [job for job in self.jobs if job.kind is kind]

    @property
    def leaves_a_vm(self) -> bool:
        """Whether a job that runs in a VM does not do so afterwards; one that cannot be made is one of them."""
        stopped = any(job.before.risk == "vm" for job in self.of(Kind.FAILS))
        return bool(self.of(Kind.LEAVES)) or stopped or bool(self.broken_templates)

    @property
    def is_blocked(self) -> bool:
        """Whether ims-config is why a job is not made afterwards."""
        return any(job.is_fault for job in self.jobs)

    @property
    def blocked(self) -> list[str]:
        """The settings with which no job, or none of a type, is made."""
        return list(dict.fromkeys(line for job in self.jobs for line in job.blocked))


def text(comparison: Comparison) -> str:
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"{comparison.before.release} → {comparison.after.release}"
    yield from _section("JOBS ARE NOT MADE WITH THIS ims-config", comparison.blocked)
    for kind, title in _HEADINGS.items():
        jobs = comparison.of(kind)
        if jobs:
            yield ""
            yield f"{title} ({len(jobs)})"
            # What keeps all jobs from being made is said once, above.
            yield from _jobs(job for job in jobs if kind is not Kind.NEVER or not job.blocked)
            if kind in _FIXES:
                yield f"  fix: {_FIXES[kind]}"
    yield from _section("EVERY JOB IS ANSWERED WITH 500", comparison.broken_templates)
    yield from _section("SETTINGS", comparison.settings)
    yield from _section("SIZES", comparison.sizes)
    yield from _section("ALSO", comparison.notes)
    yield ""
    yield f"{counted(len(comparison.of(Kind.SAME)), 'job')} of {len(comparison.jobs)} as before"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    listed = list(lines)
    if listed:
        yield ""
        yield title
        yield from (f"  {line}" for line in listed)


def _jobs(jobs: Iterable[JobChange]) -> Iterator[str]:
    for job in jobs:
        difference = "; ".join(_differences(job.before, job.after)) if job.kind is Kind.CHANGES else ""
        yield f"  {job.title}: {_place(job.before)} → {_place(job.after)}{difference and f': {difference}'}"
        yield f"      {job.after.because}"


def _differences(before: Decision, after: Decision) -> Iterator[str]:
    """Yield what changes in the privileges, which the place of a job alone does not say."""
    old, new = before.privileged_containers or (), after.privileged_containers or ()
    yield from (f"{name} becomes privileged" for name in new if name not in old)
    yield from (f"{name} is no longer privileged" for name in old if name not in new)


def _place(decision: Decision) -> str:
    if decision.risk == "vm":
        return f"VM {decision.runtimeClassName}"
    names = ", ".join(decision.privileged_containers or ())
    return heading(decision) + (f" ({names})" if names else "")


def as_json(comparison: Comparison) -> str:
    value = {
        "from": _release(comparison.before),
        "to": _release(comparison.after),
        "leavesVm": comparison.leaves_a_vm,
        "notMade": comparison.blocked,
        "jobs": [
            {"job": job.title, "change": job.kind.value, "before": job.before.as_line(), "after": job.after.as_line()}
            for job in comparison.jobs
            if job.kind is not Kind.SAME
        ],
        "unchanged": len(comparison.of(Kind.SAME)),
        "brokenTemplates": comparison.broken_templates,
        "settings": comparison.settings,
        "sizes": comparison.sizes,
        "notes": comparison.notes,
    }
    return json.dumps(value, indent=2) + "\n"


def _release(side: Side) -> dict[str, str]:
    return {"csm": side.release.csm, "ims": side.release.version}

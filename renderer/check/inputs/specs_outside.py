"""Specs that are given to the check by themselves, without a fleet around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kmodgate.policy.findings import Finding, Mode, Severity
from kmodgate.policy.formats.object_files import Source
from kmodgate.renderer.fleet.files import MARKER
from kmodgate.renderer.fleet.loading.spec_files import is_ours


def is_lone_spec(value: object) -> bool:
    """Whether an object is a spec that means nothing without a fleet; a DriverPolicy is one that `--policy` takes."""
    return isinstance(value, dict) and value.get("kind") != "DriverPolicy" and is_ours(value)


def specs_outside(sources: Sequence[Source]) -> Iterator[Finding]:
    """Yield one warning for the specs of a file that lies in no fleet: no rule looks at them."""
    source = next((source for source in sources if is_lone_spec(source.value)), None)
    if source is None:
        return
    line, column = source.position(("kind",))
    message = f"a spec is judged in its fleet, and this one lies in none: no folder above holds {MARKER}"
    fix = f"give a file of the fleet, or make an empty {MARKER} in the folder that is the root of the fleet"
    yield Finding(
        "SCH008", message, fix, severity=Severity.WARNING, mode=Mode.WARN, file=source.file, line=line, column=column
    )

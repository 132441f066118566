"""Specs with schema errors: what of them rules judge all the same, and what follows from an error already told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from difflib import get_close_matches

from kmodgate.policy.caused_findings import follows
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, Mode, format_path
from kmodgate.policy.formats.yaml_documents import Document
from kmodgate.renderer.fleet.specs import Cluster, DriverPolicy, ImageService, KernelDriver

_MADE_OF = {"serviceAccountName": "name"}
"""Fields that are made of another one where nobody writes them."""


_OF_CLUSTERS: dict[str, tuple[str, ...]] = {
    "DAY001": ("platform", "topology", "hosted", "managed"),
    "DAY002": ("platform", "topology", "hosted", "nodeGroups"),
    "DAY004": ("tools",),
    "DAY008": ("topology", "hosted"),
    "HUB404": ("acm",),
    "IMG402": ("mirrors",),
    "IMG403": ("mirrors",),
    "REF010": ("nodeGroups", "nextKernels"),
    "SCH103 spec.kmm.install": ("tools",),
}
"""Rule, or rule and field → the fields of a Cluster without which it finds something that may not be so."""

_AT_BOOT = ("DAY002", "DAY003", "DAY004", "DAY005", "DAY006", "DAY008")
"""Errors of `boot`, without which it blacklists the kernel's own driver: LDR201 only follows from them."""


def _is_of_cluster(finding: Finding, faults: Iterable[FieldPath]) -> bool:
    """Whether a finding may be gone once fields of Clusters are repaired."""
    fields = _OF_CLUSTERS.get(finding.rule) or _OF_CLUSTERS.get(f"{finding.rule} {finding.field}", ())
    return any(path[1] in fields for path in faults if path[1:])


def _is_of_name(finding: Finding, faults: Iterable[FieldPath]) -> bool:
    """Whether a label is wrong that is made of the name of the spec, which is wrong itself."""
    return finding.field.endswith("[app.kubernetes.io/name]") and ("metadata", "name") in faults


@dataclass(slots=True)
class FaultySpecs:
    """The specs of a fleet that have schema errors, without the fields in question.

    Rules judge the rest of them, so that one run tells everything; nothing is rendered.
    """

    drivers: list[KernelDriver] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    services: list[ImageService] = field(default_factory=list)
    policies: list[DriverPolicy] = field(default_factory=list)
    _places: set[tuple[str, int, int]] = field(default_factory=set)
    """File, line and column of the faulty fields, of what lies below them and around them."""
    _faults: dict[str, list[FieldPath]] = field(default_factory=dict)
    """The paths of the faulty fields, by file."""
    _fields: dict[str, set[str]] = field(default_factory=dict)
    """Every field of the specs, by file."""
    _told: set[Finding] = field(default_factory=set)
    """The errors themselves, where they are told together with what may follow from them."""
    _moved: dict[str, dict[str, str]] = field(default_factory=dict)
    """Where list items stand that come after a faulty one, by file and by the place that they are judged at."""

    def add_faults(
        self,
        document: Document,
        paths: Iterable[FieldPath],
        places: Iterable[tuple[int, int]],
        moved: Mapping[FieldPath, FieldPath],
    ) -> None:
        """Remember which fields of a document are faulty, by path or by place, and which list items have moved."""
        file = document.file
        self._places |= {(file, *place) for place in places}
        self._moved.setdefault(file, {}).update((format_path(path), format_path(old)) for path, old in moved.items())
        self._fields.setdefault(file, set()).update(format_path(path) for path in document.below(()))
        for path in paths:
            self._faults.setdefault(file, []).append(path)
            around = (path[:length] for length in range(len(path)))
            self._places |= {(file, *document.position(item)) for item in (*around, *document.below(path))}

    def holds(self, spec: KernelDriver | ImageService) -> bool:
        """Whether a spec lacks faulty fields."""
        return any(item is spec for item in (*self.drivers, *self.services))

    def lacks_override(self, driver: KernelDriver) -> None:
        """Remember that an override of a driver selects no cluster, so that some cluster lacks it."""
        self._faults.setdefault(driver.document.file, []).append(("spec", "overrides", "clusters"))

    def tell(self, findings: Iterable[Finding]) -> None:
        """Remember that these findings are causes."""
        self._told.update(findings)

    def independent(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield the findings that do not follow from a schema error, an image without a tag or a fault of `boot`.

        These are about other fields, or about one that is missing and that no faulty field was meant to be.
        """
        findings = list(findings)
        of_clusters = [path for item in self.clusters for path in self._faults.get(item.document.file, ())]
        untagged = {(item.file, item.line, item.column) for item in findings if item.rule == "IMG001"}
        not_at_boot = {item.file for item in findings if item.rule in _AT_BOOT and item.mode is Mode.ENFORCE}
        for judged in findings:
            if judged in self._told:
                yield judged
                continue
            if judged.rule != "IMG001" and (judged.file, judged.line, judged.column) in untagged:
                continue
            if judged.rule == "LDR201" and judged.file in not_at_boot:
                continue
            finding = self._as_written(judged)
            path = finding.spec_field or finding.field
            faults = self._faults.get(finding.file, ())
            if (
                _is_of_cluster(finding, of_clusters)
                or follows(finding.rule, faults)
                or (finding.rule == "SCH107" and _is_of_name(finding, faults))
            ):
                continue
            if path in self._fields.get(finding.file, (path,)):
                is_told = (finding.file, finding.line, finding.column) in self._places
            else:
                missing = path.rpartition(".")[2]
                keys = {str(fault[-1]) for fault in faults}
                is_told = bool(get_close_matches(missing, keys)) or _MADE_OF.get(missing) in keys
            if not is_told:
                yield finding

    def _as_written(self, finding: Finding) -> Finding:
        """Return the finding with the path in the spec as its author wrote it."""
        path = finding.spec_field or finding.field
        moved = self._moved.get(finding.file, {})
        item = max(
            (item for item in moved if path == item or path.startswith((f"{item}.", f"{item}["))), key=len, default=""
        )
        if not item:
            return finding
        written = f"{moved[item]}{path[len(item) :]}"
        return replace(finding, spec_field=written) if finding.spec_field else replace(finding, field=written)

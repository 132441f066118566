"""What is collected for the spec of a Cluster."""

from __future__ import annotations

from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, Finding, format_path
from kmodgate.policy.formats.yaml_documents import Json
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.importer.objects.reading import Found
from kmodgate.schemas.compiled import spec_schema

_SMALLEST: JsonMap = {"apiVersion": "kmodgate.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "a"}}


@dataclass(slots=True)
class Settings:
    """Fields of the spec, what is not carried over, and the objects that became a field.

    `servers` are the addresses of other clusters, by their names.
    """

    spec: JsonMap = field(default_factory=dict)
    lost: list[Finding] = field(default_factory=list)
    taken: list[Found] = field(default_factory=list)
    servers: dict[str, str] = field(default_factory=dict)

    def put(self, found: Found, path: FieldPath, field: str, value: Json, *, addition: Json = None) -> bool:
        """Set a field, unless no Cluster may have the value; then it is listed at its path in the object.

        `addition` is the part of the value that is new, where the rest is known to be sound.
        """
        tried = value if addition is None else addition
        document: JsonMap = {**_SMALLEST, "spec": {"platform": "openshift", field: tried}}
        schema = spec_schema("Cluster")
        for violation in () if schema.is_valid(document) else schema.violations(document):
            what = f"not imported: {format_path(violation.path)}: {violation.message}"
            self.lost.append(found.lost("IMP001", path, what, violation.fix))
            return False
        self.spec[field] = value
        return True

    def take(self, found: Found) -> None:
        """Note that an object is said by the spec, so that nobody calls it unused."""
        self.taken.append(found)

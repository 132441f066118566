"""One request to judge an object: what is known of it, and what rules look at, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from kmodgate.policy.cluster.controllers import is_controller, is_kmm
from kmodgate.policy.cluster.facts import UNKNOWN, Facts, Unknown, as_map, metadata_of
from kmodgate.policy.cluster.ims_site import ImsSite
from kmodgate.policy.cluster.openshift_scc import is_openshift
from kmodgate.policy.cluster.operator_images import RUNNING_KINDS, operator_images
from kmodgate.policy.cluster.referenced_objects import Referred
from kmodgate.policy.config import Platform
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath, value_at
from kmodgate.policy.formats.dockerfiles import Dockerfile
from kmodgate.policy.ims.template_view import JobTemplates, job_templates_of
from kmodgate.policy.ims.templates import holder_of
from kmodgate.policy.json_schema.schema import MAX_VIOLATIONS, Schema
from kmodgate.policy.json_schema.violations import Violation
from kmodgate.policy.kata.view import KataView
from kmodgate.policy.kmm.kinds import MACHINE_CONFIG, SERVED, WITH_IMAGES, kind_of
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.lazy import lazy
from kmodgate.policy.node_access.existing_workloads import Leniency, Request, leniency
from kmodgate.policy.node_access.owners import Owners
from kmodgate.policy.parameters import NO_PARAMETERS, Parameters, SignedElsewhere
from kmodgate.policy.views.boot_config import boot_config, line_naming
from kmodgate.policy.views.builds.dockerfile import dockerfile_of
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.node_placement import Placement
from kmodgate.policy.views.part import TAGGED_BY_KMM, Map, Text, texts
from kmodgate.policy.views.pod import PodView
from kmodgate.policy.views.references import Reference, references
from kmodgate.policy.views.signing.signed_elsewhere import is_entry_of
from kmodgate.policy.views.signing.unsigned_names import UnsignedNames

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

_HEAD = Release("head")

NO_CLOCK = datetime.min.replace(tzinfo=UTC)
"""The time of a gate that must not look at the clock; every exception still holds then."""


def _no_schema(_object: Map) -> Schema | None:
    return None


@dataclass(frozen=True, slots=True)
class ClusterTraits:
    """The cluster that an object is for, as far as rules look at it.

    Without a `release`, KMM's head is assumed; `platform` is plain Kubernetes where nobody says. `is_any` is whether
    the object may be for any cluster, so that nobody knows either. `schema_of` returns the compiled schema of an
    object's kind, if there is one. `controllers` are the users that a dump of the cluster shows to be KMM's.
    `ims_version` is that of its Image Management Service, empty where nobody says it.
    """

    release: Release = _HEAD
    topology: str = ""
    platform: Platform = "kubernetes"
    schema_of: Callable[[Map], Schema | None] = field(default=_no_schema, repr=False)
    is_any: bool = False
    controllers: frozenset[str] = frozenset()
    ims_version: str = ""


@dataclass(eq=False)  # not frozen, which takes two microseconds a review; nobody changes one all the same
class Review:
    """One request to judge an object, with the CRD's defaults filled in.

    On DELETE `object` is the one that goes. `in_tree` is whether the object comes from git, to be applied, and not from
    a cluster; `is_new` whether a dump of the cluster shows that the object is not there yet. `user` and `groups` are
    those who ask, and empty where nobody is known; `may_override` is whether the API server lets them override the
    protection of a namespace, which only admission asks. `before` is what other objects were like before the change
    that the review is part of, this one included even if it stays as it is; admission, which sees one object change at
    a time, has none. `owners` are the controllers that the object belongs to, where the cluster was asked for them.
    `in_image` is whether the Module stands for DaemonSets, whose modprobe runs inside the image, not in KMM's worker.
    `key` and `found` are a Key and a Found of judged_before.py: what the review is kept by, and what is kept of it.
    """

    object: Map = field(repr=False)
    old: Map | None = field(default=None, repr=False)
    operation: Operation = "CREATE"
    cluster: ClusterTraits = ClusterTraits()
    parameters: Parameters = NO_PARAMETERS
    facts: Facts | None = field(default=None, repr=False)
    in_tree: bool = False
    is_new: bool = False
    subresource: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    may_override: bool | Unknown = UNKNOWN
    dry_run: bool = False
    now: datetime = NO_CLOCK
    before: Facts | None = field(default=None, repr=False)
    owners: Owners | None = None
    in_image: bool = False
    key: Any = None
    found: Any = None
    is_timed = False
    """Whether a rule has asked for the time: its answer may be another one a moment later."""

    def time(self) -> datetime:
        """Return the time, for rules."""
        self.is_timed = True
        return self.now

    @property
    def asked(self) -> tuple[Any, ...]:
        """What rules without facts look at beside the object and the old one."""
        place = (self.in_tree, self.is_new, self.facts is None)
        return self.operation, self.subresource, self.user, self.groups, self.dry_run, *place

    @property
    def schema(self) -> Schema | None:
        """The schema of the object's kind, if that is one of KMM's and has one."""
        return None if self.is_unserved else self.cluster.schema_of(self.object)

    @lazy
    def kind(self) -> str:
        """The kind, if its group is that of the rules; another group's kind of the same name has none."""
        return kind_of(self.object)

    @property
    def known(self) -> Facts:
        """The facts, for rules that need some: the engine asks them only where there are any."""
        assert self.facts is not None
        return self.facts

    @lazy
    def module(self) -> ModuleView:
        return ModuleView(self.object)

    @lazy
    def texts(self) -> list[Text]:
        """The texts of a kind that people write and that has no view of its own; none of any other kind."""
        return texts(self.object) if self.kind in WITH_IMAGES else []

    @lazy
    def other_images(self) -> list[tuple[FieldPath, str]]:
        """The images that such an object names, that nodes pull at boot for a MachineConfig, or that operators run."""
        if self.kind in RUNNING_KINDS:
            return list(operator_images(self.pod))
        if self.kind == MACHINE_CONFIG:
            found = boot_config(self.object)
            pairs = [] if found is None else [(found.path, found.image), (found.worker_path, found.worker_image)]
            return [(path, image) for path, image in pairs if image]
        return [(item.path, item.value) for item in self.texts if item.is_image and item.value]

    def line_of(self, path: FieldPath, image: str) -> int:
        """Return the line that names an image in the text at a path, from 1; 0 where the image is all of it."""
        return line_naming(str(value_at(self.object, path, "")), image) if self.kind == MACHINE_CONFIG else 0

    def is_tagged_later(self, path: FieldPath, image: str) -> bool:
        """Whether the image has no tag because a node appends the version of its kernel."""
        if self.kind == MACHINE_CONFIG:
            return (found := boot_config(self.object)) is not None and image == found.image
        return path[-1] in TAGGED_BY_KMM

    @lazy
    def is_unserved(self) -> bool:
        """Whether no API server has ever known such an object, of KMM's kinds."""
        return self.object.get("apiVersion") not in SERVED.get(self.kind, ())

    @lazy
    def old_module(self) -> ModuleView | None:
        """The object as it was, if its spec changes: that of most updates does not."""
        if self.old is None:
            return None
        with suppress(RecursionError):  # nested too deep to be compared
            if self.old.get("spec") == self.object.get("spec"):
                return None
        return ModuleView(self.old)

    @lazy
    def pod(self) -> PodView:
        return PodView(self.object, self.kind)

    @lazy
    def dockerfile(self) -> Dockerfile | None:
        """The Dockerfile that a ConfigMap holds."""
        return dockerfile_of(self.object)

    @lazy
    def job_templates(self) -> JobTemplates | None:
        """The job templates of IMS that a ConfigMap holds; none where kmodgate's own are in their place."""
        if holder_of(self.object) is None or self.ims.is_replaced:
            return None
        return job_templates_of(self.object, self.ims.release, self.ims.templates)

    @lazy
    def kata(self) -> KataView:
        return KataView(self.pod, self.parameters.kata, self.user, self.facts, is_by_kmm=self.is_by_kmm)

    @lazy
    def named_as_kmm(self) -> frozenset[str]:
        """The users that the policy, a fleet or a dump names as KMM's controllers."""
        return self.cluster.controllers.union(self.parameters.controllers)

    @lazy
    def is_by_kmm(self) -> bool:
        """Whether KMM asks, or who is taken for it while nobody is named."""
        return is_kmm(self.user, self.named_as_kmm, self.cluster.platform)

    @lazy
    def ims(self) -> ImsSite:
        """The Image Management Service that the object belongs to."""
        return ImsSite(self.object, self.facts, self.cluster.ims_version)

    @lazy
    def leniency(self) -> Leniency | None:
        """Why findings about what a workload can do to its node do not refuse it, where that is so."""
        asked = Request(self.object, self.old, self.pod, self.user, self.owners, self.may_override)
        return leniency(asked, self.parameters)

    @lazy
    def has_too_many_mappings(self) -> bool:
        """Whether there are more mappings than the policy wants to be looked at; none of them is looked at for that."""
        mappings, most = self.module.container.value.get("kernelMappings"), self.parameters.max_mappings
        return bool(most) and isinstance(mappings, list) and len(mappings) > most

    @lazy
    def placement(self) -> Placement:
        return Placement(self.module, None if self.facts is None else self.facts.nodes())

    @lazy
    def signed_elsewhere(self) -> SignedElsewhere | None:
        """The policy's entry by which all images that the Module does not sign are signed already.

        Nothing that the Module says of itself counts, and an image that KMM builds was signed by nobody before.
        """
        entries = self.parameters.signed_elsewhere
        if not entries or self.module.is_hub or self.module.builds:
            return None
        changes_spec = self.operation != "UPDATE" or self.old is None or self.old_module is not None
        writer = self.user if changes_spec else ""
        return next((item for item in entries if is_entry_of(item, self.module, writer)), None)

    @lazy
    def unsigned_names(self) -> UnsignedNames:
        return UnsignedNames(self.module)

    @lazy
    def winners(self) -> Map:
        """The mapping that wins on each kernel of the Module's nodes; nothing where no Module is loaded."""
        return {} if self.module.loader is None or self.violations else self.placement.winners

    @lazy
    def namespace(self) -> Map:
        """The metadata of the object's Namespace, as far as it is known."""
        return metadata_of(self.known.find("Namespace", "", self.module.metadata.text("namespace")))

    @lazy
    def pod_security(self) -> str:
        """The level that the namespace enforces, empty where it is privileged or nobody knows."""
        level = as_map(self.namespace.get("labels")).get("pod-security.kubernetes.io/enforce", "privileged")
        return "" if level == "privileged" else str(level)

    @lazy
    def is_on_openshift(self) -> bool:
        return is_openshift(self.known, self.namespace)

    @lazy
    def references(self) -> list[Reference]:
        """The objects of its namespace that the Module names."""
        return list(references(self.module))

    @lazy
    def referred(self) -> Referred:
        return Referred(self.references, self.module.metadata.text("namespace"), self.known)

    @lazy
    def violations(self) -> list[Violation]:
        """What the schema says of the object, at most MAX_VIOLATIONS."""
        try:
            schema = self.schema
            if schema is None or schema.is_valid(self.object):
                return []
            return list(islice(schema.violations(self.object), MAX_VIOLATIONS))
        except (ValueError, TypeError, OverflowError) as error:
            # nested too deep, or with what JSON cannot hold: a lone surrogate, a number beyond all bounds
            return [Violation("SCH104", (), f"cannot be stored: {error}", "write an object that JSON can hold")]

    @property
    def is_upkeep(self) -> bool:
        """Whether an update changes an object that is on its way out, or nothing that a controller had to ask for.

        KMM and the garbage collector add and remove finalizers, also of a Module that newer rules refuse. Finalizing a
        namespace is none: it ends what is left in there. Rules that guard know their controllers themselves.
        """
        if self.operation != "UPDATE" or self.subresource:
            return False
        if "deletionTimestamp" in metadata_of(self.object):
            return True
        return is_controller(self.user, self.named_as_kmm) and self.old_module is None

"""The job templates that a ConfigMap of IMS holds, filled in, and the pods that come of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache, partial

from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.ims.template_proof import LONGEST, Filled
from kmodgate.policy.ims.template_text import Placeholder, State, placeholders, without_actions
from kmodgate.policy.ims.templates import (
    SIGNS,
    Holder,
    Resource,
    Span,
    Version,
    holder_of,
    releases_of,
    supplied,
    texts_of,
    version_of,
)
from kmodgate.policy.ims.versions import ImsRelease
from kmodgate.policy.lazy import lazy, lazy_regex
from kmodgate.policy.views.part import Map
from kmodgate.policy.views.pod import PodView

_COMMENTED_CLASS = lazy_regex(r"^[ \t]*#[# \t-]*runtimeClassName[ \t]*:", re.MULTILINE)

POD: FieldPath = ("spec", "template", "spec")


class JobTemplates:
    """The templates of one ConfigMap; `texts` have a word in place of Helm's actions.

    `release` is that of IMS, None where nobody says it; `others` are ConfigMaps of templates of the same IMS.
    """

    def __init__(self, object: Map, holder: Holder, release: Version | None, others: Iterable[Map] = ()) -> None:
        self.holder = holder
        self.release = release
        self._others = others
        self.texts = {
            resource: without_actions(text) if len(text) <= LONGEST else text
            for resource, text in texts_of(object, holder).items()
        }

    def problem(
        self, resource: Resource, line: int, message: str, fix: str, severity: Severity | None = None
    ) -> Problem:
        """Return the problem at a line of a template."""
        return Problem(("data", self.holder.key(resource)), message, fix, severity, line)

    @lazy
    def placeholders(self) -> dict[Resource, list[Placeholder]]:
        return {resource: list(placeholders(text)) for resource, text in self.texts.items() if len(text) <= LONGEST}

    @lazy
    def releases(self) -> Span:
        """The releases that fill in all placeholders; what no release fills in does not count."""
        return releases_of(item.name for found in self.placeholders.values() for item in found)

    @lazy
    def likely_releases(self) -> Span:
        """The releases that all templates seem to be of, the others' and lines that HPE added included; maybe none."""
        span = self.releases
        for pattern, since in SIGNS.items():
            if re.search(pattern, self.texts.get("job", ""), re.MULTILINE):
                span = span.met(since)
        for object in self._others:
            holder = holder_of(object)
            if holder is not None:
                span = span.met(JobTemplates(object, holder, None).likely_releases)
        return span

    @lazy
    def oldest(self) -> Version:
        """The release, or the oldest one that fills in all placeholders."""
        return self.releases.first if self.release is None else self.release

    @lazy
    def makes_no_pods(self) -> bool:
        """Whether the release cannot fill in some template, or no release can."""
        known = supplied(self.holder.job, self.release)
        return any(item.name not in known for found in self.placeholders.values() for item in found)

    @lazy
    def filled(self) -> dict[Resource, Filled]:
        return {resource: _filled(resource, text) for resource, text in self.texts.items()}

    @lazy
    def job(self) -> Filled | None:
        """The template of the Job, where one can be loaded as a Job in some state."""
        found = self.filled.get("job")
        return found if found is not None and self.pods else None

    @lazy
    def pods(self) -> dict[State, PodView]:
        """What the Job's pods are in each state."""
        found = self.filled.get("job")
        values = found.values if found is not None else {}
        view = partial(PodView, kind="batch/Job")
        return {state: view(value) for state, value in values.items() if value.get("kind") == "Job"}

    @lazy
    def claim(self) -> str:
        """The name of the PersistentVolumeClaim that a job gets; empty where there is none."""
        found = self.filled.get("pvc")
        for value in found.values.values() if found is not None else ():
            metadata = value.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            return name if isinstance(name, str) else ""
        return ""

    @lazy
    def commented_class(self) -> int:
        """The line of the Job's template with a `runtimeClassName` behind a comment sign; 0 where there is none."""
        text = self.texts.get("job", "")
        match = _COMMENTED_CLASS.search(text)
        return text.count("\n", 0, match.end()) + 1 if match else 0


@lru_cache(maxsize=16)
def _filled(resource: Resource, text: str) -> Filled:
    """The template filled in, once for all clusters whose templates are alike: each state is a text to load."""
    return Filled(resource, text)


def job_templates_of(object: Map, release: ImsRelease | None, others: Iterable[Map] = ()) -> JobTemplates | None:
    """Return the job templates of a ConfigMap; None where it is none of those that IMS reads."""
    holder = holder_of(object)
    if holder is None:
        return None
    return JobTemplates(object, holder, None if release is None else version_of(release.version), others)

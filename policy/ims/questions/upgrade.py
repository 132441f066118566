"""What an upgrade of the Image Management Service (IMS) does to jobs: which leave their VM, and what else changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions.blocked import DECIDING, blocking, is_fault_of_config, without_defects
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.service.decision import Decision
from kmodgate.policy.ims.service.records import AARCH64, X86
from kmodgate.policy.ims.setting_values import Effect, Reading
from kmodgate.policy.ims.versions import ImsRelease


class Kind(StrEnum):
    """What becomes of a job."""

    LEAVES = "leaves its VM"
    FAILS = "cannot be made any more"
    ENTERS = "goes into a VM"
    WORKS = "can be made now"
    NEVER = "cannot be made before or after"
    CHANGES = "changes otherwise"
    SAME = "stays"


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is compared: a title, and the question without release and `ims-config`."""

    title: str
    question: Question


@dataclass(frozen=True, slots=True)
class JobChange:
    """One job before and after; of one that leaves its VM, as far as settings that keep it from being made allow.

    `blocked` says which settings those are; `is_fault` is whether ims-config is why the job is not made afterwards.
    """

    title: str
    kind: Kind
    before: Decision
    after: Decision
    blocked: tuple[str, ...] = ()
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the upgrade: the release, and its `ims-config`."""

    release: ImsRelease
    config: Mapping[str, str]

    def asked(self, question: Question) -> Question:
        return replace(question, release=self.release, config=self.config)


def config_after(before: Side, release: ImsRelease) -> dict[str, str]:
    """Return the `ims-config` that the chart of the new release makes, as far as the old one tells.

    A value that differs from the old chart's is taken to be in the site's customizations, and stays; one that does not
    differ, and the chart's literals, become the new chart's.
    """
    old = settings.chart_values(before.release)
    new = settings.chart_values(release)
    kept = {
        key: text
        for key, text in before.config.items()
        if key in old and key in new and text != old[key] and key not in settings.CHART_LITERALS
    }
    return new | kept


def stored_flag_after(flag: bool | None, before: ImsRelease, after: ImsRelease) -> bool | None:
    """Return a recipe's flag as the new release has it.

    A recipe of a release without flags gets one from the first release that has them: of CSM 1.5, which no upgrade
    leaves out, and which stores `false`.
    """
    if flag is None and before.only_ims_config_decides and after.recipe_overrides_ims_config:
        return False
    return flag if flag is not None or after.only_ims_config_decides else before.dkms_is_default


def changes(jobs: Iterable[Job], before: Side, after: Side) -> Iterator[JobChange]:
    """Yield every job with what becomes of it."""
    known: dict[Question, JobChange] = {}
    for job in jobs:
        question = job.question
        if question not in known:
            flag = question.recipe if question.type == "create" else None
            old = replace(question, recipe=None if before.release.only_ims_config_decides else flag)
            new = replace(question, recipe=stored_flag_after(flag, before.release, after.release))
            known[question] = _change(before.asked(old), after.asked(new if question.type == "create" else question))
        yield replace(known[question], title=job.title)


def _change(before: Question, after: Question) -> JobChange:
    blocked = [f"as it is: {reading.key}: {reading.why}" for reading in blocking(before)]
    blocked += [f"as it will be: {reading.key}: {reading.why}" for reading in blocking(after)]
    first, second = before.answer(), after.answer()
    sound = (without_defects(before).answer(), without_defects(after).answer()) if blocked else (first, second)
    kind = _kind(first, second)
    if sound[0].risk == "vm" and sound[1].risk not in ("vm", None):
        kind, first, second = Kind.LEAVES, *sound
    return JobChange("", kind, first, second, tuple(blocked), is_fault_of_config(after))


def _kind(before: Decision, after: Decision) -> Kind:
    if before.risk is None and after.risk is None:
        return Kind.NEVER
    if before.risk is not None and after.risk is None:
        return Kind.FAILS
    if before.risk is None and after.risk is not None:
        return Kind.WORKS
    if after.risk == "vm" and before.risk != "vm":
        return Kind.ENTERS
    return Kind.SAME if _placement(before) == _placement(after) else Kind.CHANGES


def _placement(decision: Decision) -> tuple[object, ...]:
    return decision.risk, decision.runtimeClassName, decision.privileged_containers


def usual_jobs(release: ImsRelease, config: Mapping[str, str], *, with_recipes: bool) -> Iterator[Job]:
    """Yield the jobs that any site has; those of recipes only where no list of them is given."""
    has_flags = not release.only_ims_config_decides
    for arch in (X86, AARCH64) if has_flags else (X86,):
        for flag in ((False, True) if has_flags else (None,)) if with_recipes else ():
            title = f"create, {arch}" + ("" if flag is None else f", recipe with require_dkms {str(flag).lower()}")
            yield Job(title, Question(release, config, "create", arch, recipe=flag))
        yield Job(f"customize, {arch}, request without require_dkms", Question(release, config, "customize", arch))
        for flag in (False, True) if has_flags else ():
            title = f"customize, {arch}, request with require_dkms {str(flag).lower()}"
            yield Job(title, Question(release, config, "customize", arch, request=flag))


def size_changes(before: Side, after: Side) -> Iterator[str]:
    """Yield what changes in the sizes of jobs that state none."""
    volumes = (("DEFAULT_IMS_IMAGE_SIZE", "image"), ("DEFAULT_IMS_JOB_MEM_SIZE", "memory"))
    for key, what in volumes:
        old, new = (settings.read(key, side.config.get(key), side.release) for side in (before, after))
        if old.value == new.value or (what == "memory" and not before.release.has_volume_claims):
            continue
        volume = _volume(what, before, after, old, new)
        yield f"{what} size of jobs that state none: {_size(old)} → {_size(new)}{volume}"
        if new.effect in (Effect.FAILS_JOBS, Effect.MISREAD):
            yield f"{key}: {new.why}"


def _size(reading: Reading) -> str:
    return f"{reading.value} GiB" if reading.value is not None else repr(reading.text)


def _volume(what: str, before: Side, after: Side, old: Reading, new: Reading) -> str:
    if not isinstance(old.value, int) or not isinstance(new.value, int):
        return ""
    if what == "image":
        claim = f" ({5 * old.value} → {5 * new.value} GiB)" if before.release.has_volume_claims else ""
        return f"; the claim is five times that{claim}"
    limits = old.value * before.release.memory_limit_factor, new.value * after.release.memory_limit_factor
    return f"; the limit of each container is {limits[0]} → {limits[1]} GiB"


def setting_changes(before: Side, after: Side) -> Iterator[str]:
    """Yield what changes in the keys that decide about VMs, and what was set by hand and does not stay."""
    for key in DECIDING:
        old, new = (settings.read(key, side.config.get(key), side.release) for side in (before, after))
        if old.value != new.value:
            yield f"{key}: {_value(old)} → {_value(new)}"
    old_chart = settings.chart_values(before.release)
    for key in sorted(settings.CHART_LITERALS & before.config.keys() & old_chart.keys()):
        if before.config[key] not in (old_chart[key], after.config.get(key)):
            yield (
                f"{key}: {before.config[key]!r} was set by hand: the chart writes {after.config.get(key)!r}, "
                "whatever customizations.yaml says"
            )


def _value(reading: Reading) -> str:
    if reading.effect is Effect.UNUSED:
        return "not used"
    text = str(reading.value).lower() if isinstance(reading.value, bool) else str(reading.value)
    return text if reading.text is not None else f"{text} (absent)"


def traps(before: ImsRelease, after: ImsRelease) -> Iterator[str]:
    """Yield what the upgrade brings that no single job shows."""
    for name, text in _TRAPS.items():
        if getattr(before, name) != getattr(after, name):
            yield text
    if not before.dkms_is_default and after.dkms_is_default and not after.undelete_keeps_recipe_flag:
        yield "until 3.24.2 a recipe that was deleted and is brought back has require_dkms true, whatever it had before"
    if before.capabilities_placeholder != after.capabilities_placeholder:
        old, new = before.capabilities_placeholder, after.capabilities_placeholder
        yield (
            f"job templates: ${old} is ${new} from 3.17.2 on; a hand-edited template that is applied again makes every "
            "job a 500: `kmodgate check` names it"
        )


_TRAPS = {
    "recipe_overrides_ims_config": (
        "from 3.17 on a create job whose request says nothing goes by its recipe alone: a recipe that was stored with "
        "false has no VM, whatever ims-config says; sat bootprep and IUF send no require_dkms"
    ),
    "has_remote_nodes": "from 3.14 on a remote build node that can take a job takes it out of Kata",
    "prepare_is_privileged": "from 3.14 on container prepare of customize jobs is privileged, in a VM or not",
    "customize_has_xattr_annotation": (
        "from 3.9.5 on customize jobs have the annotation virtio_fs_extra_args: Kata's Go runtime refuses pods whose "
        "annotation its configuration does not permit"
    ),
    "has_ims_job_label": (
        "from 3.20 on jobs spread over the workers, by the label app.kubernetes.io/name: ims-job of their pods"
    ),
    "cpu_limits_are_cut": "from 3.19 on no job container has a CPU limit above 8: a VM has 16 CPUs or fewer, not 56",
    "has_signing_keys": "from 3.30 on jobs mount a copy of Secret services/hpe-signing-key, and wait for it",
}
"""What an upgrade brings that changes the property."""

"""IMS2: job templates whose pods run outside their VM, in one that fails, or on a worker that they fill."""

from __future__ import annotations

from collections.abc import Iterator

from kmodgate.policy.findings import Problem, Severity
from kmodgate.policy.ims.template_text import CLASS, State
from kmodgate.policy.ims.template_view import POD, JobTemplates, job_templates_of
from kmodgate.policy.ims.templates import (
    ANNOTATION_SINCE,
    CLAIMS_SINCE,
    VARIABLES,
    XATTR,
    XATTR_VALUES,
)
from kmodgate.policy.kata.cpu_limits import MOST_CPUS, most_cpus
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.views.pod import PodView

_CONFIG_MAP = ("ConfigMap",)
_IN_VM = State(dkms=True, arch="x86_64", remote=False)
_CLASS_PATH = (*POD, "runtimeClassName")
_METADATA = POD[:-1]
_LABEL = "app.kubernetes.io/name"
_IMAGES = "/mnt/image"


def _job_template(review: Review) -> object:
    return review.job_templates and review.job_templates.job


@rule("IMS204", kinds=_CONFIG_MAP, needs=_job_template)
def runtime_class_not_from_ims(review: Review) -> Iterator[Problem]:
    """A job template without `runtimeClassName: $runtime_class`: jobs do not run where IMS means them to.

    Without the line, or with a comment sign before it as a guide for faster builds has it, jobs with DKMS run
    privileged on the worker itself, and mount its devices. With a fixed class, jobs without DKMS and remote ones run in
    a VM that they are not made for. In quotes it is an empty text for them, which the API server refuses.

    Fix: write the line, without quotes; `kmodgate ims template --fix` does.
    Source: kubernetes/cray-ims/templates and src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    templates = review.job_templates
    if templates is None or templates.job is None or templates.oldest < VARIABLES["runtime_class"].first:
        return
    fix = "write runtimeClassName: $runtime_class, or let kmodgate ims template --fix do it"
    classes = {state: pod.spec.value.get("runtimeClassName") for state, pod in templates.pods.items()}
    inside = {found for state, found in classes.items() if state.runtime_class}
    outside = {found for state, found in classes.items() if not state.runtime_class}
    line, message = templates.job.line(_CLASS_PATH), ""
    if inside == {None}:
        is_comment = bool(templates.commented_class)
        line = templates.commented_class or line
        what = "runtimeClassName is commented out" if is_comment else "there is no runtimeClassName"
        message = f"{what}: jobs with DKMS run privileged on the worker, outside Kata"
    elif inside != {CLASS}:
        message = "runtimeClassName is not the class that IMS fills in"
    elif outside == {""}:
        message = "runtimeClassName is an empty text in jobs outside a VM, which the API server refuses"
    elif outside != {None}:
        message = "runtimeClassName is fixed: jobs without DKMS and remote jobs get a VM, too"
    if message:
        yield templates.problem("job", line, message, fix)


@rule("IMS205", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_job_template)
def no_extended_attributes(review: Review) -> Iterator[Problem]:
    """A job template whose pods lack the annotation for extended attributes in Kata.

    Without it `cpio: cap_set_file failed` ends builds of packages with file capabilities (CASMTRIAGE-9170): HPE's
    templates for create jobs lack it up to 3.33.0. The value depends on the flavour of Kata's runtime, and the nodes
    must permit the annotation: with the Go runtime of Kata 3.31 and later they do only where the site says so. Where
    the policy lists the permitted annotations (`parameters.kata.annotations`) without this one, the rule is silent.

    Fix: `kmodgate ims template --fix --flavour go` (or `rust`) writes it.
    Source: known_issues/IMS-create-xattr-support.md of Cray-HPE/docs-csm; docs/how-to of kata-containers.
    """
    templates, permitted = review.job_templates, review.parameters.kata.annotations
    if templates is None or templates.job is None or templates.oldest < ANNOTATION_SINCE:
        return
    pod = templates.pods.get(_IN_VM)
    if pod is None or (permitted is not None and XATTR not in permitted):
        return
    value = pod.metadata.map("annotations").value.get(XATTR)
    if isinstance(value, str) and "xattr" in value:
        return
    message = f"{XATTR} is missing in the pods: file capabilities cannot be set in Kata"
    if value is not None:
        message = f"{XATTR} does not turn extended attributes on"
    elif XATTR in pod.object.map("annotations").value:
        message = f"{XATTR} stands at the Job: only the template of its pods is asked"
    flavours = " or, with the Rust runtime, ".join(f"'{text}'" for text in XATTR_VALUES.values())
    yield templates.problem("job", templates.job.line((*_METADATA, "metadata")), message, f"annotate it: {flavours}")


@rule("IMS206", kinds=_CONFIG_MAP, needs=_job_template)
def images_without_claim(review: Review) -> Iterator[Problem]:
    """A job template that builds images on the worker's own disk, or on a claim that nobody makes.

    With an emptyDir in place of the PersistentVolumeClaim, builds are faster, and images of tens of GiB fill the disk
    of the worker, which then evicts its pods. IMS has claims from 3.10.0 on. With the name of another claim the pod
    waits for ever.

    Fix: name the claim that the template `image_pvc_…` makes.
    Source: kubernetes/cray-ims/templates of Cray-HPE/ims; Image_Job_Performance.md of Cray-HPE/docs-csm.
    """
    templates = review.job_templates
    pod = templates.pods.get(_IN_VM) if templates else None
    if templates is None or templates.job is None or pod is None:
        return
    if "pvc" not in templates.texts and templates.oldest < CLAIMS_SINCE:
        return
    names = {mount.text("name") for _, mount in pod.mounts if mount.text("mountPath").rstrip("/") == _IMAGES}
    for volume in pod.volumes:
        if volume.text("name") not in names:
            continue
        line, claim = templates.job.line(volume.path), volume.optional("persistentVolumeClaim")
        if claim is None:
            message = f"{volume.text('name')}, which holds the image, is no PersistentVolumeClaim: it fills the worker"
            fix = "write persistentVolumeClaim with the name of the claim of the job"
            yield templates.problem("job", line, message, fix, Severity.WARNING)
        elif templates.claim and claim.text("claimName") != templates.claim:
            message = f"the claim {claim.text('claimName')!r} is not the one that the job gets: the pod waits for ever"
            yield templates.problem("job", templates.job.line(claim.path), message, _as_claim(templates))


def _as_claim(templates: JobTemplates) -> str:
    return f"name it as metadata.name of {templates.holder.key('pvc')} does"


@rule("IMS208", kinds=_CONFIG_MAP, severity=Severity.WARNING, needs=_job_template)
def cpu_limits_too_high(review: Review) -> Iterator[Problem]:
    """CPU limits of a job template that add up to more than 16.

    Kata makes a machine of their sum, and every process sees all of it: `make -j$(nproc)` in a container with a lower
    limit overdrives that until the machine counts as dead. The templates of CSM 1.5 come to 56. Init containers run
    one after the other.

    Fix: lower the limits, as the templates of 3.19.0 and later have them.
    Source: README.Kata.md of Cray-HPE/ims (CASMTRIAGE-7274).
    """
    templates = review.job_templates
    pod = templates.pods.get(_IN_VM) if templates else None
    if templates is None or templates.job is None or pod is None:
        return
    total = most_cpus(pod)
    if total > MOST_CPUS:
        message = f"CPU limits add up to {float(total):g}, and every process in the VM sees that many"
        line = templates.job.line((*POD, "containers"))
        yield templates.problem("job", line, message, f"lower them to {MOST_CPUS} together")


@rule("IMS209", kinds=_CONFIG_MAP, severity=Severity.WARNING, facts=True, needs=_job_template)
def label_of_jobs_missing(review: Review) -> Iterator[Problem]:
    """A job template whose pods lack the label by which IMS's jobs keep away from each other.

    From 3.20.0 on pods of IMS prefer workers without a pod labelled `app.kubernetes.io/name: ims-job`. A pod without
    the label does not count for the others, and large builds meet on one worker (CASMTRIAGE-7401). The rule looks at
    the affinity of the template itself and of the others in the cluster. HPE's template for packer, which makes no
    pods, is passed over.

    Fix: add the label to the template of the pods.
    Source: kubernetes/cray-ims/templates of Cray-HPE/ims, 3.20.0 to 3.33.0.
    """
    templates = review.job_templates
    pod = templates.pods.get(_IN_VM) if templates else None
    if templates is None or templates.job is None or pod is None or templates.makes_no_pods:
        return
    wanted = _kept_away_from(pod)
    for found in review.ims.templates:
        other = job_templates_of(found, review.ims.release)
        there = other.pods.get(_IN_VM) if other else None
        wanted |= _kept_away_from(there) if there else set()
    if wanted and pod.labels.get(_LABEL) not in wanted:
        names = " or ".join(sorted(wanted))
        message = f"pods of IMS keep away from those labelled {_LABEL}: {names}, and these have no such label"
        line = templates.job.line((*_METADATA, "metadata", "labels"))
        yield templates.problem("job", line, message, f"add the label {_LABEL}: {sorted(wanted)[0]}")


def _kept_away_from(pod: PodView) -> set[str]:
    """Return the names of applications whose pods a pod keeps away from, or prefers to."""
    affinity = pod.spec.map("affinity").map("podAntiAffinity")
    preferred = affinity.maps("preferredDuringSchedulingIgnoredDuringExecution")
    terms = [item.map("podAffinityTerm") for item in preferred]
    terms += affinity.maps("requiredDuringSchedulingIgnoredDuringExecution")
    found: set[str] = set()
    for term in terms:
        selector = term.map("labelSelector")
        found |= {selector.map("matchLabels").text(_LABEL)} - {""}
        for item in selector.maps("matchExpressions"):
            if item.text("key") == _LABEL and item.text("operator") == "In":
                found.update(item.strings("values"))
    return found

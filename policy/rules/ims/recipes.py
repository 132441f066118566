"""IMS4: lists of recipes, as `cray ims recipes list --format json` prints them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from kmodgate.policy.cluster.facts import as_map
from kmodgate.policy.cluster.ims_site import ImsSite
from kmodgate.policy.findings import FieldPath, Problem, Severity
from kmodgate.policy.ims.given_records import RECIPES
from kmodgate.policy.ims.settings import read
from kmodgate.policy.ims.templates import holder_of, texts_of
from kmodgate.policy.ims.versions import NEWEST, ims_release
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule
from kmodgate.policy.rules.ims.classes import job_class, obstacle
from kmodgate.policy.views.part import list_in

_KINDS = (RECIPES,)
_FLAG = "require_dkms"
_ARCHES = ("x86_64", "aarch64")
_ID = lazy_regex(r"[\w-]+")


class Recipe(NamedTuple):
    """A record of the list."""

    number: int
    record: Any

    @property
    def title(self) -> str:
        return f"recipe {self.record.get('name')} ({self.arch})"

    @property
    def arch(self) -> str:
        return str(self.record.get("arch", "x86_64"))

    @property
    def flag(self) -> object:
        return self.record.get(_FLAG)

    @property
    def needs_dkms(self) -> bool:
        return self.flag is True or self.arch == "aarch64"

    @property
    def is_of_packer(self) -> bool:
        return bool(self.record.get("recipe_type") == "packer")

    def path(self, field: str) -> FieldPath:
        return ("recipes", self.number, field) if field in self.record else ("recipes", self.number)

    def update(self, value: str) -> str:
        """Return the command that sets the flag."""
        id = self.record.get("id")
        is_one = isinstance(id, str) and _ID.fullmatch(id)
        return f"cray ims recipes update --require-dkms {value} {id if is_one else 'ID'}"


def recipes(review: Review) -> Iterator[Recipe]:
    for index, record in enumerate(list_in(review.object, "recipes")):
        if isinstance(record, dict):
            yield Recipe(index, record)


def buildable(review: Review) -> Iterator[Recipe]:
    """Yield the recipes without those of packer, if jobs of packer fail whatever the recipe says."""
    without_packer = packer_fails(review)
    return (recipe for recipe in recipes(review) if not (without_packer and recipe.is_of_packer))


def switch_is_on(site: ImsSite) -> bool | None:
    """Return whether ims-config enables DKMS globally; None where nobody knows."""
    text = site.environment.get("JOB_ENABLE_DKMS")
    if not site.is_known or "JOB_ENABLE_DKMS" in site.unresolved or (text is None and site.release is None):
        return None
    return read("JOB_ENABLE_DKMS", text, site.release or ims_release(NEWEST)).value is True


def packer_fails(review: Review) -> bool:
    """Whether the job template of packer has the placeholder that no release fills in; HPE's has, if none is given."""
    holders = [
        (item, holder) for item in review.ims.templates if (holder := holder_of(item)) and holder.recipe == "packer"
    ]
    if not holders:
        return True
    template, holder = holders[-1]  # one of kmodgate's own comes last, and takes the place of the chart's
    return any("s3_host" in text for text in texts_of(template, holder).values())


@rule("IMS401", kinds=_KINDS, severity=Severity.WARNING)
def recipe_leaves_its_vm(review: Review) -> Iterator[Problem]:
    """A recipe that says `require_dkms: false` where ims-config enables DKMS for all: its create jobs run in no VM.

    From IMS 3.17.0 (CSM 1.6) on the recipe alone decides about create jobs that say nothing themselves, as those of
    `sat bootprep` and IUF; before, ims-config put them into Kata, too. CSM 1.5 stored `false` for every recipe that did
    not say. Such a job is privileged on the worker. Recipes of packer, whose jobs fail, are left to IMS405.

    Fix: set the recipe to true where its images need DKMS or its builds are to stay in Kata.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims, 3.17.0.
    """
    site = review.ims
    if not switch_is_on(site) or (site.release is not None and not site.release.recipe_overrides_ims_config):
        return
    since = "" if site.release else ", from IMS 3.17.0 (CSM 1.6) on"
    for recipe in buildable(review):
        if recipe.flag is False and recipe.arch == "x86_64":
            message = f"{recipe.title} takes its create jobs out of the VM, though ims-config enables DKMS{since}"
            yield Problem(recipe.path(_FLAG), message, recipe.update("true"))


@rule("IMS402", kinds=_KINDS, severity=Severity.INFO)
def flag_without_effect(review: Review) -> Iterator[Problem]:
    """A recipe of aarch64 that says `require_dkms: false`: its jobs have DKMS all the same.

    Fix: nothing, or set it to true, as it is.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    for recipe in recipes(review):
        if recipe.flag is False and recipe.arch == "aarch64":
            message = f"{recipe.title} has no say: jobs of aarch64 always have DKMS"
            yield Problem(recipe.path(_FLAG), message, recipe.update("true"))


@rule("IMS403", kinds=_KINDS)
def flag_is_no_boolean(review: Review) -> Iterator[Problem]:
    """A recipe whose `require_dkms` is no boolean of JSON.

    The service takes the text `"false"` in a PATCH and shows false from then on, and yet acts as if it were true until
    it is started again: text is true to Python. Such a record was written by hand, or is going to be sent.

    Fix: write true or false without quotes.
    Source: src/server/models/recipes.py of Cray-HPE/ims, whose PATCH stores the text.
    """
    for recipe in recipes(review):
        if _FLAG in recipe.record and not isinstance(recipe.flag, bool):
            word = str(recipe.flag).strip().lower()
            fix = f'"{_FLAG}": {word}' if word in ("true", "false") else "write true or false, without quotes"
            yield Problem(recipe.path(_FLAG), f"{recipe.title} has {recipe.flag!r}, which is no boolean", fix)


@rule("IMS404", kinds=_KINDS, severity=Severity.WARNING)
def recipes_of_one_name(review: Review) -> Iterator[Problem]:
    """Recipes of one name and architecture that differ in `require_dkms`: which of them is built decides about the VM.

    Names are not unique. Whoever takes the first of a name, or looks at one only, gets the one or the other.

    Fix: set them alike, or delete the one that nobody needs.
    Source: src/server/models/recipes.py of Cray-HPE/ims.
    """
    named: defaultdict[tuple[str, str], list[Recipe]] = defaultdict(list)
    for recipe in recipes(review):
        named[str(recipe.record.get("name")), recipe.arch].append(recipe)
    for same in named.values():
        first, differing = same[0], [item for item in same if item.flag is not same[0].flag]
        if first.arch != "aarch64":
            for item in differing:
                message = f"{item.title} says {item.flag}, and {first.record.get('id')} of the same name {first.flag}"
                yield Problem(item.path(_FLAG), message, "set them alike, or delete one of them")


@rule("IMS405", kinds=_KINDS, severity=Severity.WARNING)
def recipe_that_cannot_be_built(review: Review) -> Iterator[Problem]:
    """A recipe of which the service can make no job: one of packer, or one without a template dictionary.

    HPE's template for packer has a placeholder that no release fills in, `$s3_host`: each job is answered with 500, and
    leaves a ConfigMap and a Service with an address behind. So is each job of a recipe that was stored with
    `template_dictionary: null`. Recipes of packer pass where its template is given too, and has no such placeholder.

    Fix: build with kiwi-ng, or remove `$s3_host` from the template of packer; store the recipe with an empty list.
    Source: kubernetes/cray-ims/templates and src/server/v3/resources/jobs.py of Cray-HPE/ims.
    """
    fails = packer_fails(review)
    for recipe in recipes(review):
        if fails and recipe.is_of_packer:
            message = f"{recipe.title} is of packer, whose job template cannot be filled in: jobs are answered with 500"
            yield Problem(recipe.path("recipe_type"), message, "remove $s3_host from the template of packer")
        if recipe.record.get("template_dictionary", ()) is None:
            message = f"{recipe.title} has null for a template dictionary: create jobs are answered with 500"
            yield Problem(recipe.path("template_dictionary"), message, 'store "template_dictionary": []')


@rule("IMS406", kinds=_KINDS)
def no_recipe(review: Review) -> Iterator[Problem]:
    """A record in a list of recipes that is no recipe: without a name, or of an architecture that IMS does not know.

    An empty list is a warning: nothing in it was checked, whatever it is a list of.

    Fix: write the list again: `cray ims recipes list --format json`.
    Source: api/openapi.yaml of Cray-HPE/ims, RecipeRecord.
    """
    fix = "write the list again: cray ims recipes list --format json"
    items = list_in(review.object, "recipes")
    if not items:
        yield Problem(("recipes",), "the list is empty: nothing in it was checked", fix, Severity.WARNING)
    for index, item in enumerate(items):
        record = as_map(item)
        if not isinstance(record.get("name"), str):
            yield Problem(("recipes", index), "this record is no recipe: it has no name", fix)
        elif record.get("arch", "x86_64") not in _ARCHES:
            message = f"recipe {record['name']} is of {record['arch']!r}, which is no architecture of IMS"
            yield Problem(("recipes", index, "arch"), message, "write x86_64 or aarch64")


@rule("IMS310", kinds=_KINDS, severity=Severity.WARNING, facts=True)
def recipe_without_a_place(review: Review) -> Iterator[Problem]:
    """A recipe needs DKMS, and its jobs cannot run in a VM: the RuntimeClass is missing, has no node, or is empty.

    Fix: what the message says of the class; or set the recipe to false, if its image has no drivers to build.
    Source: src/server/v3/resources/jobs.py of Cray-HPE/ims; plugin/pkg/admission/runtimeclass of Kubernetes.
    """
    classes = {arch: job_class(review.ims, arch) for arch in _ARCHES}
    obstacles = {arch: found and obstacle(review.known, found) for arch, found in classes.items()}
    for recipe in buildable(review):
        if recipe.needs_dkms and (found := obstacles.get(recipe.arch)):
            yield Problem(recipe.path(_FLAG), f"{recipe.title} needs DKMS, and {found.reason}", found.fix)

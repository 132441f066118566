"""`kmodgate ims compare`: which jobs of IMS change their behaviour with an upgrade, above all which leave their VM."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from kmodgate.policy.ims import settings
from kmodgate.policy.ims.questions import upgrade
from kmodgate.policy.ims.questions.expressions import resolved
from kmodgate.policy.ims.questions.question import Question
from kmodgate.policy.ims.questions.upgrade import Job, Side
from kmodgate.policy.ims.versions import ImsRelease
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable
from kmodgate.renderer.ims import upgrade_report
from kmodgate.renderer.ims.config_files import (
    CfsConfiguration,
    GivenConfig,
    Recipe,
    read_cfs,
    read_config,
    read_recipes,
)
from kmodgate.renderer.ims.given_expressions import expression_note, refuse_undecided
from kmodgate.renderer.ims.release_arguments import read_either_release


def add_arguments(parser: ArgumentParser) -> None:
    what = "release of CSM, or version of IMS (chart cray-ims)"
    parser.add_argument("--from", dest="before", required=True, metavar="RELEASE", help=f"{what}, as it is")
    parser.add_argument("--to", dest="after", required=True, metavar="RELEASE", help=f"{what}, as it will be")
    parser.add_argument("--config", metavar="FILE", help="ims-config as it is; - is stdin (default: of the chart)")
    parser.add_argument(
        "--config-after", metavar="FILE",
        help="ims-config as it will be (default: what differs from the chart stays, the rest is the new chart's)",
    )  # fmt: skip
    parser.add_argument("--recipes", metavar="FILE", help="output of: cray ims recipes list --format json")
    parser.add_argument(
        "--cfs", action="append", default=[], metavar="FILE",
        help="configurations of CFS that customize images; may be given several times",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text", help="form of the answer")


def run(args: Namespace, console: Console) -> ExitCode:
    before, after, newest, given = _sides(args)
    recipes = read_recipes(args.recipes) if args.recipes else []
    if args.recipes and not recipes:
        given.append(f"{args.recipes} holds no recipe, so that recipes with either flag are compared")
    configurations = [configuration for path in args.cfs for configuration in read_cfs(path)]
    jobs = list(upgrade.usual_jobs(before.release, before.config, with_recipes=not recipes))
    jobs += [_recipe_job(recipe, before) for recipe in recipes]
    jobs += [job for configuration in configurations for job in _cfs_jobs(configuration, before)]
    comparison = upgrade_report.Comparison(
        before,
        after,
        list(upgrade.changes(jobs, before, after)),
        settings=list(upgrade.setting_changes(before, after)),
        sizes=list(upgrade.size_changes(before, after)),
        notes=[*given, *_notes(args, before, after, configurations), *upgrade.traps(before.release, after.release)],
        broken_templates=list(_broken_templates(newest, after)),
    )
    console.show(upgrade_report.as_json(comparison) if args.format == "json" else upgrade_report.text(comparison))
    return ExitCode.FINDINGS if comparison.leaves_a_vm or comparison.is_blocked else ExitCode.OK


def _sides(args: Namespace) -> tuple[Side, Side, GivenConfig, list[str]]:
    """Return both sides, the newest file with ims-config, and what is to be known of both files."""
    old, new = read_either_release("--from", args.before), read_either_release("--to", args.after)
    if not new.is_at_least(old.version):
        raise Unusable(f"--to: {new} is older than {old}", "exchange --from and --to")
    given = read_config(args.config) if args.config else GivenConfig(settings.chart_values(old))
    before, notes = _side(old, given, args.config)
    if args.config_after:
        newest = read_config(args.config_after)
        after, others = _side(new, newest, args.config_after)
        return before, after, newest, [*notes, *others]
    own = {key: text for key, text in given.own.items() if key not in given.unknown}
    return before, Side(new, upgrade.config_after(before, new) | own), given, notes


def _side(release: ImsRelease, config: GivenConfig, path: str) -> tuple[Side, list[str]]:
    side = Side(release, resolved(config.texts, config.unknown, release))
    usual = upgrade.usual_jobs(release, side.config, with_recipes=True)
    refuse_undecided((job.question for job in usual), config.unknown, path)
    notes = (config.note, expression_note(config.unknown))
    return side, [f"{path}: {note}" for note in notes if note]


def _recipe_job(recipe: Recipe, before: Side) -> Job:
    question = Question(
        before.release, before.config, "create", recipe.arch, recipe=recipe.require_dkms, recipe_type=recipe.type
    )
    return Job(f"recipe {recipe.name} ({recipe.arch}, {recipe.id})", question)


def _cfs_jobs(configuration: CfsConfiguration, before: Side) -> Iterator[Job]:
    request = None if before.release.only_ims_config_decides else configuration.request
    question = Question(before.release, before.config, "customize", request=request)
    yield Job(f"CFS configuration {configuration.name}, x86_64 image", question)


def _notes(args: Namespace, before: Side, after: Side, configurations: list[CfsConfiguration]) -> Iterator[str]:
    if args.config and not args.config_after:
        chart = settings.chart_values(before.release)
        own = [key for key, text in before.config.items() if key in chart and text != chart[key]]
        own = [key for key in own if key not in settings.CHART_LITERALS]
        if own:
            yield (
                f"taken to be in customizations.yaml, since they differ from the chart: {', '.join(own)}; edits of the "
                "live ConfigMap are lost with the upgrade: give --config-after then"
            )
    enabled = settings.read("JOB_ENABLE_DKMS", after.config.get("JOB_ENABLE_DKMS"), after.release).value
    for configuration in configurations:
        if configuration.without_dkms and not configuration.needs_dkms and enabled:
            layers = ", ".join(configuration.without_dkms)
            yield (
                f"CFS configuration {configuration.name}: ims_require_dkms: false of {layers} does nothing while "
                "ims-config is true: CFS sends true or nothing"
            )


def _broken_templates(config: GivenConfig, after: Side) -> Iterator[str]:
    """Templates beside ims-config with a placeholder that the new release does not fill in."""
    if after.release.capabilities_placeholder != "security_capabilities":
        return
    for name, key in config.templates_with("security_capabilites"):
        yield f"{name}, {key}: has $security_capabilites, which is $security_capabilities from 3.17.2 on"

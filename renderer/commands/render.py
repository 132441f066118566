"""`kmodgate render`: the specs of a fleet, compiled into its tree."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from kmodgate.policy.findings import Finding, Mode
from kmodgate.renderer.compile.cluster_policies import add_policy_arguments, read_choice
from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Refused, Unusable
from kmodgate.renderer.fleet.clusters.cluster_selectors import check_names
from kmodgate.renderer.fleet.files import REMOVALS, handover_of
from kmodgate.renderer.fleet.fleet import Fleet, names_of
from kmodgate.renderer.fleet.root import as_typed, find_root, prefix
from kmodgate.renderer.removals.allowed_removals import AllowedRemovals
from kmodgate.renderer.removals.leaving import unused_names
from kmodgate.renderer.removals.removals_file import write_change
from kmodgate.renderer.report.file_changes import drift, left_by_services, print_change, print_removals, summary
from kmodgate.renderer.report.findings.text import print_findings
from kmodgate.renderer.tree.compare import Change, Kind, compare
from kmodgate.renderer.tree.render import Rendered, render_fleet
from kmodgate.renderer.tree.staged import unstaged
from kmodgate.renderer.tree.stray_specs import Trust, load_with_output, refuse_linked_handover
from kmodgate.renderer.tree.write import locked, write
from kmodgate.renderer.wording import counted, printable

_MOST_NAMES = 10


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "fleet", nargs="?", default=".", metavar="FLEET", help="folder of the fleet, or one below it (default: here)"
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="where the tree is (default: FLEET/rendered); what sites apply by hand is beside it, in handover",
    )
    parser.add_argument(
        "--cluster", action="append", default=[], metavar="NAME", help="only this cluster; may be given several times"
    )
    add_policy_arguments(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check", action="store_true", help="write nothing; show what differs, and exit 1 if anything does"
    )
    mode.add_argument("--dry-run", action="store_true", help="write nothing; show what would change, and exit 0")
    parser.add_argument(
        "--staged", action="store_true",
        help="exit 1 also if git's index does not have the tree as it is then: for a hook before a commit",
    )  # fmt: skip
    parser.add_argument(
        "--allow-removal", action="append", default=[], metavar="NAME",
        help="let the Module NAME leave the tree, which unloads its driver, and write that into removals.yaml; "
        "also CLUSTER/NAME or CLUSTER/*",
    )  # fmt: skip
    parser.add_argument("--reason", metavar="TEXT", help="why the Modules leave, for the entries in removals.yaml")


def run(args: Namespace, console: Console) -> ExitCode:
    root = find_root(Path(args.fleet))
    if args.output == "":
        raise Unusable("--output is empty", "give a folder, or leave the option out for FLEET/rendered")
    _check_reason(args)
    output = as_typed(root) / "rendered" if args.output is None else Path(args.output)
    console.base = prefix(as_typed(root))
    if any(root.resolve().is_relative_to(folder.resolve()) for folder in (output, handover_of(output))):
        raise Unusable(f"--output {output} holds the fleet itself", "give a folder of its own, such as FLEET/rendered")
    fleet, rendered = _load(root, output, args, console)
    if args.check or args.dry_run:
        code = _show(_compare(rendered, output, args), fleet, rendered, args, console)
        return code or _say_unstaged(output, rendered, args, console)
    return _write(root, output, (fleet, rendered), args, console)


def _write(root: Path, output: Path, loaded: tuple[Fleet, Rendered], args: Namespace, console: Console) -> ExitCode:
    """Make the tree and the handover as the specs want them, while no other render does."""
    fleet, rendered = loaded
    waited = False

    def waiting() -> None:
        nonlocal waited
        waited = True
        console.say(f"waiting for another render of {output} to end")

    with ExitStack() as locks:
        folder = locks.enter_context(locked(str(output), waiting))
        if waited:  # the specs may have changed meanwhile
            fleet, rendered = _load(root, output, args, console)
        beside = _lock_handover(locks, rendered, output, waiting)
        change, *handover = _compare(rendered, output, args)
        _note_permissions(change, args, console)
        removals = AllowedRemovals(change, fleet, rendered, args.allow_removal, args.reason)
        if refused := removals.refused():
            raise Refused(refused, ExitCode.FINDINGS)
        write_change(root, removals.change)  # before the tree: an interrupted render finds its permission there
        write(change, folder, console.progress)
        for item in handover:
            write(item, beside, console.progress)
        if not rendered.handover:
            with suppress(OSError):  # it holds what is not ours
                os.rmdir(handover_of(output))
    _say_removals(removals, console)
    _say_left(change, console)
    _say_result(change, rendered, args, console)
    for item in handover:
        _say_handover(item, rendered, args, console)
    return _say_unstaged(output, rendered, args, console)


def _check_reason(args: Namespace) -> None:
    """Raises Unusable for a reason that no entry would get, or that no file can hold."""
    if args.reason is None:
        return
    if not args.allow_removal:
        raise Unusable("--reason has no --allow-removal", "name the Module that leaves: --allow-removal NAME")
    if not args.reason.strip() or not args.reason.isprintable():
        raise Unusable("--reason is empty or has characters that cannot be printed", "write one line of text")


def _load(root: Path, output: Path, args: Namespace, console: Console) -> tuple[Fleet, Rendered]:
    findings: list[Finding] = []
    trust = Trust(args.check, args.output is not None)
    fleet = load_with_output(root, output, findings, console.progress, trust)
    print_findings([finding for finding in findings if finding.mode is Mode.WARN], console, console.base)
    rendered = render_fleet(fleet, findings, read_choice(args.policy, args.profile), console.progress)
    check_names(names_of(fleet), args.cluster)
    return fleet, rendered


def _lock_handover(locks: ExitStack, rendered: Rendered, output: Path, waiting: Callable[[], None]) -> int:
    """Hold the folder of the handover, where there is or will be one; -1 where there is none."""
    folder = handover_of(output)
    refuse_linked_handover(folder)
    if not (rendered.handover or folder.is_dir()):
        return -1
    return locks.enter_context(locked(str(folder), waiting))


def _compare(rendered: Rendered, output: Path, args: Namespace) -> list[Change]:
    """What differs in the tree, and in the handover beside it where there is or will be one."""
    scope, beside = args.cluster or None, handover_of(output)
    refuse_linked_handover(beside)
    changes = [compare(rendered.files, str(output), scope, is_tree=True)]
    if rendered.handover or beside.is_dir():
        is_tree = bool(rendered.handover)
        changes.append(compare(rendered.handover, str(beside), scope, is_tree=is_tree, is_applied=False))
    return changes


def _show(changes: list[Change], fleet: Fleet, rendered: Rendered, args: Namespace, console: Console) -> ExitCode:
    change = changes[0]
    for item in changes:
        print_change(item, console, prefix(Path(item.output)))
    _note_permissions(change, args, console)
    removals = AllowedRemovals(change, fleet, rendered, args.allow_removal, args.reason)
    print_findings(removals.refused(), console, console.base)
    print_removals(removals.change, console, console.base)
    _say_removals(removals, console)
    _say_left(change, console)
    differing = [item for item in changes if item.files]
    if not differing and not removals.change:
        console.say(f"{change.output}: nothing differs from the specs")
        return ExitCode.OK
    for item in differing:
        console.say(f"{item.output}: {drift(item)}")
    return ExitCode.FINDINGS if args.check else ExitCode.OK


def _note_permissions(change: Change, args: Namespace, console: Console) -> None:
    for name in unused_names(change, args.allow_removal):
        console.say(f"note: --allow-removal {printable(name)}: no Module of that name would leave the tree")


def _say_unstaged(output: Path, rendered: Rendered, args: Namespace, console: Console) -> ExitCode:
    """Name the files of the tree that the next commit would not have, if they are asked for."""
    if not args.staged:
        return ExitCode.OK
    folders = [(output, rendered.files), *([(handover_of(output), rendered.handover)] if rendered.handover else [])]
    code = ExitCode.OK
    for folder, trees in folders:
        names = unstaged(folder, {name: trees[name] for name in trees if not args.cluster or name in args.cluster})
        for name in names[:_MOST_NAMES]:
            console.say(f"{printable(f'{prefix(folder)}{name}')}: not staged")
        if names:
            fix = f"add the tree to the commit: git add {shlex.quote(str(folder))}"
            console.say(f"{folder}: {counted(len(names), 'file')} not staged as rendered; {fix}")
            code = ExitCode.FINDINGS
    return code


def _say_removals(removals: AllowedRemovals, console: Console) -> None:
    """The entries of removals.yaml that are appended and dropped."""
    for line in removals.lines():
        console.say(f"{console.base}{REMOVALS}: {printable(line)}")


def _say_left(change: Change, console: Console) -> None:
    for line in left_by_services(change, prefix(Path(change.output))):
        console.say(line)


def _say_result(change: Change, rendered: Rendered, args: Namespace, console: Console) -> None:
    _say_foreign(change, console)
    clusters = set(args.cluster or rendered.files)
    objects = counted(sum(len(rendered.files[name]) for name in clusters), "object")
    if rendered.warnings:
        console.say(f"{counted(rendered.warnings, 'warning')}; kmodgate check shows them")
    console.say(f"{change.output}: {objects} for {counted(len(clusters), 'cluster')}; {summary(change)}")


def _say_handover(change: Change, rendered: Rendered, args: Namespace, console: Console) -> None:
    """What the handover holds now; nothing where it holds nothing and has held nothing."""
    _say_foreign(change, console)
    clusters = [name for name in rendered.handover if not args.cluster or name in args.cluster]
    if clusters or change.files:
        files = counted(sum(len(rendered.handover[name]) for name in clusters), "file")
        console.say(f"{change.output}: {files} for {counted(len(clusters), 'cluster')}; {summary(change)}")


def _say_foreign(change: Change, console: Console) -> None:
    for file in change.files:
        if file.kind is Kind.FOREIGN:
            path = printable(f"{prefix(Path(change.output))}{file.path}")
            then = "; Argo CD would apply it" if change.is_applied else ""
            console.say(f"warning: {path}: not written by kmodgate and left alone{then}")

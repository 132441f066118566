"""`kmodgate import`: existing Modules and other objects that load drivers, turned into specs that give the same."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path

from kmodgate.policy.formats.kubernetes_names import is_dns1123_subdomain
from kmodgate.renderer.check.inputs.object_inputs import STDIN
from kmodgate.renderer.console import Console
from kmodgate.renderer.deliveries.boot.boot_settings import is_pinned
from kmodgate.renderer.errors import ExitCode, Unusable
from kmodgate.renderer.fleet.files import MARKER
from kmodgate.renderer.fleet.root import root_above
from kmodgate.renderer.importer.importing import Import, import_objects, target_clusters
from kmodgate.renderer.importer.objects.reading import read_clusters
from kmodgate.renderer.importer.planning import check_name
from kmodgate.renderer.importer.translating.commands.load_commands import is_module_name
from kmodgate.renderer.importer.translating.draft import Wishes
from kmodgate.renderer.importer.translations import translate
from kmodgate.renderer.importer.verifying import differ
from kmodgate.renderer.importer.writing import new_files, write_files
from kmodgate.renderer.report.findings.text import print_findings
from kmodgate.renderer.scaffold import write_schemas
from kmodgate.renderer.wording import counted


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="file or folder with objects as YAML or JSON; - is stdin"
    )
    parser.add_argument(
        "--cluster", action="append", default=[], metavar="NAME[=FILE]",
        help="the cluster that a file or folder is of, or that all FILEs are of; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="DIR", help="the fleet to add to, or a folder to start one in (default: here)"
    )
    parser.add_argument(
        "--dockerfiles", action="store_true",
        help="turn every Dockerfile ConfigMap into a file, also where that gives the ConfigMap another name",
    )  # fmt: skip
    parser.add_argument(
        "--namespace", default="", metavar="NAME", help="the namespace of Modules that have none, as those of ooto"
    )
    parser.add_argument(
        "--module-name", action="append", default=[], metavar="[DRIVER=]NAME",
        help="the kernel module that a driver loads, where no command says it; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--delivery", choices=("daemonset", "kmm"), default="daemonset",
        help="how drivers that are DaemonSets are delivered from now on (default: daemonset)",
    )  # fmt: skip
    parser.add_argument(
        "--worker-image", default="", metavar="IMAGE",
        help="KMM's worker image, with a version, for MachineConfigs that load at boot with one that is not pinned",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="write nothing; print the specs")


def run(args: Namespace, console: Console) -> ExitCode:
    root = _root(args.output, dry_run=args.dry_run)
    named, inputs = _inputs(args.files, args.cluster)
    everywhere = not named
    if everywhere:
        inputs = {name: args.files for name in target_clusters(root)}
    wishes = Wishes(
        _namespace(args.namespace), args.delivery, _module_names(args.module_name), _worker_image(args.worker_image)
    )
    translated = translate(read_clusters(inputs, differ), inputs, wishes)
    result = import_objects(root, translated, everywhere=everywhere, all_dockerfiles=args.dockerfiles)
    print_findings(result.lost, console)
    for note in result.notes:
        console.say(f"note: {note}")
    if args.dry_run:
        _print(root, result, console)
    else:
        _write(root, result, console)
    return ExitCode.FINDINGS if result.lost or result.refused else ExitCode.OK


def _root(output: str | None, *, dry_run: bool) -> Path:
    """The fleet to write into. Raises Unusable where there can be none."""
    if output == "":
        raise Unusable("--output is empty", "give a folder, or leave the option out inside a fleet")
    start = Path(output or ".")
    above = root_above(start)
    if output is None and above is None and not dry_run:
        raise Unusable("no fleet here, and none above", "give --output DIR to start one there, or --dry-run")
    if above is not None and above != Path(os.path.abspath(start)):
        if output is not None:
            raise Unusable(
                f"{start} lies inside the fleet {above}", f"give --output {above}, or a folder outside of it"
            )
        return Path(os.path.relpath(above))
    if start.exists() and not start.is_dir():
        raise Unusable(f"{start} is a file", "name a folder")
    return start


def _inputs(files: list[str], clusters: list[str]) -> tuple[bool, dict[str, list[str]]]:
    """Whether clusters are named, and the files of each. Raises Unusable for a file that is of none."""
    inputs: dict[str, list[str]] = {}
    unnamed = True
    for item in clusters:
        name, equals, file = item.partition("=")
        check_name(name)
        if equals and not file:
            raise Unusable(f"--cluster {item}: names no file", "write --cluster NAME=FILE")
        inputs.setdefault(name, []).extend([file] if equals else files)
        unnamed = unnamed and bool(equals)
    if files and clusters and unnamed:
        raise Unusable(
            f"{files[0]}: of which cluster is it?", f"give --cluster NAME={files[0]}, or --cluster NAME beside it"
        )
    if not files and not any(inputs.values()):
        raise Unusable("import needs Modules", "give files, or --cluster NAME=FILE; - is stdin")
    if [*files, *(file for item in clusters for file in [item.partition("=")[2]])].count(STDIN) > 1:
        raise Unusable("stdin can be read only once", "write the objects of each cluster to a file")
    empty = next((name for name, given in inputs.items() if not given), None)
    if empty is not None:
        raise Unusable(f"--cluster {empty}: names no file", f"write --cluster {empty}=FILE")
    return bool(clusters), inputs


def _namespace(name: str) -> str:
    if name and (not is_dns1123_subdomain(name) or "." in name or len(name) > 63):
        fix = "use lower-case letters, digits and inner '-', at most 63"
        raise Unusable(f"--namespace {name!r}: cannot be the name of a namespace", fix)
    return name


def _worker_image(image: str) -> str:
    if image and not is_pinned(image):
        fix = "name a version of it, or a digest: quay.io/acme/worker:release-2.6"
        raise Unusable(f"--worker-image {image}: nodes would load with another one after every pull", fix)
    return image


def _module_names(given: list[str]) -> dict[str, str]:
    """The kernel module of each driver; that of the empty name is of every driver."""
    result: dict[str, str] = {}
    for item in given:
        driver, _, name = item.rpartition("=")
        if not is_module_name(name):
            raise Unusable(
                f"--module-name {item}: {name!r} is not the name of a kernel module", "write it as lsmod does"
            )
        if result.setdefault(driver, name) != name:
            raise Unusable(f"--module-name {item}: {result[driver]} was given before", "give one of the two")
    return result


def _print(root: Path, result: Import, console: Console) -> None:
    for name in list(new_files(root, result.files)):
        if name.endswith((".yaml", ".yml")) and name != MARKER:
            console.data(f"---\n# {name}\n{result.files[name]}")
        else:
            console.say(f"would write {name}")
    print_findings(result.refused, console)


def _write(root: Path, result: Import, console: Console) -> None:
    new = write_files(root, result.files)
    write_schemas(root)
    for name in new:
        console.say(f"created {root / name}")
    drivers, clusters = counted(result.drivers, "driver"), counted(result.clusters, "cluster")
    console.say(f"{root}: {drivers} of {clusters} imported; {counted(len(new), 'file')} written")
    print_findings(result.refused, console, "" if str(root) == "." else f"{root}/")
    verb = "render refuses the errors above until they are mended" if result.refused else "review the comments"
    console.say(f"next: {verb}, then run: kmodgate render {shlex.quote(str(root))}")

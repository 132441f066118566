"""`kmodgate ims template`: job templates of IMS whose jobs leave their VM, and the lines that put that right."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from kmodgate.renderer.console import Console
from kmodgate.renderer.errors import ExitCode, Unusable
from kmodgate.renderer.ims.template import read_templates
from kmodgate.renderer.report.findings.text import report
from kmodgate.renderer.wording import counted


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="ConfigMaps with job templates, as kubectl get -o yaml or -o json writes them, or a file of the chart; "
        "- is stdin",
    )  # fmt: skip
    parser.add_argument(
        "--fix", action="store_true",
        help="print the file with the lines of the class and the annotation put right, and nothing else changed",
    )  # fmt: skip
    parser.add_argument(
        "--flavour", choices=("go", "rust"), default="go",
        help="the runtime of Kata on the workers, whose syntax the annotation has: go takes a JSON list, rust words "
        "between commas (default: go). The nodes must permit the annotation",
    )  # fmt: skip


def run(args: Namespace, console: Console) -> ExitCode:
    if args.fix and len(args.files) > 1:
        raise Unusable("--fix prints one file", "give the files one by one")
    files = [read_templates(name, args.flavour) for name in args.files]
    findings = [finding for file in files for finding in file.findings]
    looked_at = counted(sum(file.count for file in files), "ConfigMap")
    if args.fix:
        console.data("".join(file.text for file in files))
        console.say(f"{looked_at}: {counted(len(findings), 'place')} put right")
        if left := sum(file.left for file in files):
            console.say(
                f"{counted(left, 'finding')} left, which --fix does not touch: run kmodgate check on the result"
            )
        return ExitCode.OK
    console.deliver(report(findings, console), None)
    console.say(f"{looked_at}: {counted(len(findings), 'place')} to put right")
    return ExitCode.FINDINGS if findings else ExitCode.OK

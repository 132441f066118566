"""`kmodgate rules [ID]`: every rule in a line, or the page of one."""

from __future__ import annotations

import difflib
from argparse import ArgumentParser, Namespace

from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.rule import RETIRED, RULES, load_rules
from kmodgate.renderer.console import Console
from kmodgate.renderer.error_catalogue.catalogue import ERRORS
from kmodgate.renderer.errors import ExitCode, Unusable

_LINK = lazy_regex(r"\[([^\[\]]*)\]\([^()]*\)")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", metavar="ID", help="a rule, such as KMM203 (default: list all)")


def run(args: Namespace, console: Console) -> ExitCode:
    load_rules()
    if args.id is None:
        console.data("".join(f"{id}  {rule.severity:7}  {rule.title}\n" for id, rule in sorted(RULES.items())))
        return ExitCode.OK
    rule = RULES.get(args.id.upper())
    entry = ERRORS.get(args.id.upper())
    if rule is None and entry is not None:
        meaning = _LINK.sub(r"\1", entry.meaning)
        console.data(f"{entry.id} (error of specs and files)\n\n{meaning}\n\nFix: {entry.remedy}.\n")
        return ExitCode.OK
    if rule is None and (fate := RETIRED.get(args.id.upper())):
        console.data(f"{args.id.upper()} (a rule that is gone)\n\n{fate}.\n")
        return ExitCode.OK
    if rule is None:
        close = difflib.get_close_matches(args.id.upper(), RULES, n=1)
        fix = f"did you mean {close[0]}?" if close else "kmodgate rules lists them"
        raise Unusable(f"{args.id}: there is no such rule", fix)
    console.data(f"{rule.id} ({rule.severity}; {', '.join(rule.kinds)})\n\n{rule.documentation}\n\nFile: {rule.file}\n")
    return ExitCode.OK

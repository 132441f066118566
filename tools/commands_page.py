"""docs/commands.md, of the parser that reads the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from kmodgate.renderer.arguments import VERBS, parser

_COMMANDS = """\
# Commands

Generated from the command line by `make docs`; do not edit. `kmodgate VERB --help` prints the same.

Every command takes `--color auto|always|never`. What an exit code says is in the [README](../README.md).
"""


def commands_page() -> str:
    """docs/commands.md: every verb, and what each of its arguments does."""
    return "\n".join([_COMMANDS, *_sections(parser(list(VERBS)))])


def _sections(of: argparse.ArgumentParser) -> Iterator[str]:
    """One section a command, depth first; a command that only holds others has none of its own."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _sections(command)
            return
    yield _section(of)


def _section(command: argparse.ArgumentParser) -> str:
    arguments = [action for action in command._actions if not {"--help", "--color"} & set(action.option_strings)]
    cells = ((_name(action), _meaning(action, command)) for action in arguments)
    rows = "".join(f"| `{_cell(name)}` | {_cell(meaning)} |\n" for name, meaning in cells)
    table = f"\n| argument | meaning |\n| --- | --- |\n{rows}" if rows else ""
    return f"## {command.prog}\n\n{command.description}\n{table}"


def _name(action: argparse.Action) -> str:
    values = "|".join(map(str, action.choices or ()))
    value = action.metavar if isinstance(action.metavar, str) else values or action.dest.upper()
    if not action.option_strings:
        return f"{value}…" if action.nargs in {"*", "+"} else value
    return action.option_strings[-1] + ("" if action.nargs == 0 else f" {value}")


def _meaning(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    text = (action.help or "") % {**vars(action), "prog": command.prog}
    return f"{text} (required)" if action.option_strings and action.required else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")

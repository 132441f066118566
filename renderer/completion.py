"""The command line's parser → completion scripts for bash, zsh and fish."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Option:
    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...]
    is_file: bool


@dataclass(frozen=True, slots=True)
class _Verb:
    name: str
    help: str
    options: tuple[_Option, ...]
    words: tuple[str, ...]
    """What its positional arguments may be, if they are not free."""


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script for one of SHELLS."""
    return SHELLS[shell](list(_verbs(parser)), [name for option in _options(parser) for name in option.names])


def _verbs(parser: argparse.ArgumentParser) -> Iterator[_Verb]:
    subparsers = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    texts = {choice.dest: choice.help or "" for choice in subparsers._choices_actions}
    for name, sub in subparsers.choices.items():
        words = [str(word) for action in sub._actions if not action.option_strings for word in action.choices or ()]
        yield _Verb(name, texts[name], tuple(_options(sub)), tuple(words))


def _options(parser: argparse.ArgumentParser) -> Iterator[_Option]:
    for action in parser._actions:
        if action.option_strings:
            choices = tuple(str(choice) for choice in action.choices or ())
            is_file = action.metavar in ("DIR", "FILE")
            yield _Option(tuple(action.option_strings), action.help or "", action.nargs != 0, choices, is_file)


def _bash(verbs: list[_Verb], common: list[str]) -> str:
    cases = "\n".join(f"    {verb.name}) words='{' '.join(_words(verb))}' ;;" for verb in verbs)
    values = "\n".join(
        f"    {verb.name}:{name}) words='{' '.join(option.choices)}' ;;"
        for verb in verbs
        for option in verb.options
        if option.takes_value  # without choices the shell offers files
        for name in option.names
    )
    return f"""\
# bash completion of kmodgate; load it with: source <(kmodgate completion bash)
_kmodgate() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join([*(verb.name for verb in verbs), *common])}' -- "$current"))
    return
  fi
  case $verb in
{cases}
  esac
  case $verb:$previous in
{values}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _kmodgate kmodgate
"""


def _zsh(verbs: list[_Verb], common: list[str]) -> str:
    names = "\n".join(f"    {_quoted(f'{verb.name}:{verb.help}')}" for verb in verbs)
    cases = "\n".join(f"    {verb.name}) _arguments {' '.join(_zsh_arguments(verb))} ;;" for verb in verbs)
    return f"""\
#compdef kmodgate
# zsh completion of kmodgate; write it to a file _kmodgate in a folder of $fpath
_kmodgate() {{
  local -a verbs=(
{names}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    compadd -- {" ".join(common)}
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{cases}
  esac
}}
if [ "$funcstack[1]" = _kmodgate ]; then _kmodgate "$@"; else compdef _kmodgate kmodgate; fi
"""


def _zsh_arguments(verb: _Verb) -> Iterator[str]:
    for option in verb.options:
        text = option.help.replace("[", "(").replace("]", ")").replace(":", " ")
        values = f"({' '.join(option.choices)})" if option.choices else "_files" if option.is_file else ""
        value = f":value:{values}" if option.takes_value else ""
        for name in option.names:
            yield _quoted(f"*{name}[{text}]{value}")
    yield _quoted(f"*:argument:({' '.join(verb.words)})" if verb.words else "*:file:_files")


def _fish(verbs: list[_Verb], common: list[str]) -> str:
    lines = ["# fish completion of kmodgate; load it with: kmodgate completion fish | source"]
    flags = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in common)
    lines.append(f"complete -c kmodgate -n __fish_use_subcommand {flags}")
    for verb in verbs:
        lines.append(f"complete -c kmodgate -f -n __fish_use_subcommand -a {verb.name} -d {_quoted(verb.help)}")
        condition = f"-n '__fish_seen_subcommand_from {verb.name}'"
        if verb.words:
            lines.append(f"complete -c kmodgate -f {condition} -a {_quoted(' '.join(verb.words))}")
        for option in verb.options:
            flags = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            choices = f" -x -a {_quoted(' '.join(option.choices))}" if option.choices else ""
            value = choices or (" -r" if option.takes_value else "")
            lines.append(f"complete -c kmodgate {condition} {flags}{value} -d {_quoted(option.help)}")
    return "\n".join(lines) + "\n"


def _words(verb: _Verb) -> list[str]:
    return [*verb.words, *(name for option in verb.options for name in option.names)]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS: dict[str, Callable[[list[_Verb], list[str]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}

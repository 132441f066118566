"""The command line's parser → completion scripts for bash, zsh and fish."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator

from kmodgate.policy.data_class import dataclass


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
    nested: tuple[_Verb, ...] = ()
    """Its own verbs."""


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """The script for one of SHELLS."""
    return SHELLS[shell](list(_verbs(parser)), [name for option in _options(parser) for name in option.names])


def _verbs(parser: argparse.ArgumentParser) -> Iterator[_Verb]:
    subparsers = next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
    if subparsers is None:
        return
    texts = {choice.dest: choice.help or "" for choice in subparsers._choices_actions}
    for name, sub in subparsers.choices.items():
        words = [str(word) for action in sub._actions if not action.option_strings for word in action.choices or ()]
        yield _Verb(name, texts[name], tuple(_options(sub)), tuple(words), tuple(_verbs(sub)))


def _flat(verbs: Iterable[_Verb]) -> Iterator[tuple[str, _Verb]]:
    """Yield every verb as it is written, those of verbs after them: `ims`, `ims decide`."""
    for verb in verbs:
        yield verb.name, verb
        yield from ((f"{verb.name} {name}", inner) for name, inner in _flat(verb.nested))


def _options(parser: argparse.ArgumentParser) -> Iterator[_Option]:
    for action in parser._actions:
        if action.option_strings:
            choices = tuple(str(choice) for choice in action.choices or ())
            is_file = action.metavar in ("DIR", "FILE")
            yield _Option(tuple(action.option_strings), action.help or "", action.nargs != 0, choices, is_file)


def _bash(verbs: list[_Verb], common: list[str]) -> str:
    cases = "\n".join(f"    '{name}') words='{' '.join(_words(verb))}' ;;" for name, verb in _flat(verbs))
    values = "\n".join(
        f"    '{written}:{name}') words='{' '.join(option.choices)}' ;;"
        for written, verb in _flat(verbs)
        for option in verb.options
        if option.takes_value  # without choices the shell offers files
        for name in option.names
    )
    nested = "|".join(f"'{name}'" for name, _ in _flat(verbs) if " " in name)
    return f"""\
# bash completion of kmodgate; load it with: source <(kmodgate completion bash)
_kmodgate() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}} words='' word
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join([*(verb.name for verb in verbs), *common])}' -- "$current"))
    return
  fi
  for word in "${{COMP_WORDS[@]:2:COMP_CWORD-2}}"; do
    case "$verb $word" in {nested}) verb="$verb $word"; break ;; esac
  done
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
    return f"""\
#compdef kmodgate
# zsh completion of kmodgate; write it to a file _kmodgate in a folder of $fpath
_kmodgate() {{
{_zsh_verbs(verbs, "  ", " ".join(common))}
}}
if [ "$funcstack[1]" = _kmodgate ]; then _kmodgate "$@"; else compdef _kmodgate kmodgate; fi
"""


def _zsh_verbs(verbs: Iterable[_Verb], indent: str, common: str) -> str:
    """The lines that complete a verb, and then what it takes; a verb of verbs has such lines of its own."""
    lines = ["local -a verbs=("]
    lines += [f"  {_quoted(f'{verb.name}:{verb.help}')}" for verb in verbs]
    lines += [")", "if (( CURRENT == 2 )); then", "  _describe verb verbs", f"  compadd -- {common}", "  return", "fi"]
    lines += ["local verb=$words[2]", "shift words", "(( CURRENT-- ))", "case $verb in"]
    text = "\n".join(indent + line for line in lines)
    for verb in verbs:
        if verb.nested:
            names = " ".join(name for option in verb.options for name in option.names)
            text += f"\n{indent}  {verb.name})\n{_zsh_verbs(verb.nested, indent + '    ', names)} ;;"
        else:
            text += f"\n{indent}  {verb.name}) _arguments {' '.join(_zsh_arguments(verb))} ;;"
    return f"{text}\n{indent}esac"


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
        inner = " ".join(nested.name for nested in verb.nested)
        seen = f"__fish_seen_subcommand_from {verb.name}"
        lines += _fish_verb(verb, seen if not inner else f"{seen}; and not __fish_seen_subcommand_from {inner}")
        for nested in verb.nested:
            lines += _fish_verb(nested, f"{seen}; and __fish_seen_subcommand_from {nested.name}")
    return "\n".join(lines) + "\n"


def _fish_verb(verb: _Verb, condition: str) -> Iterator[str]:
    seen = f"-n '{condition}'"
    if verb.words:
        yield f"complete -c kmodgate -f {seen} -a {_quoted(' '.join(verb.words))}"
    for option in verb.options:
        flags = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        choices = f" -x -a {_quoted(' '.join(option.choices))}" if option.choices else ""
        value = choices or (" -r" if option.takes_value else "")
        yield f"complete -c kmodgate {seen} {flags}{value} -d {_quoted(option.help)}"


def _words(verb: _Verb) -> list[str]:
    return [*verb.words, *(name for option in verb.options for name in option.names)]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS: dict[str, Callable[[list[_Verb], list[str]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}

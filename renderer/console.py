"""The two streams: data on stdout, words for a person on stderr, colours only where they are wanted."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import time
from contextlib import suppress
from typing import Literal, TextIO

from kmodgate.policy.lazy import lazy_regex

ColorChoice = Literal["auto", "always", "never"]
_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


_READERS = ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")
"""The variables of pipelines that take lines of a log for commands."""

_COMMAND = lazy_regex(r"^[^\S\n]*:(?=:)|#(?=#(?:\[|vso\[|teamcity\[))", re.MULTILINE)


def _without_commands(text: str) -> str:
    """Return a text in which a pipeline reads no command, whatever the specs hold that it quotes.

    Sources: GitHub Docs, Workflow commands for GitHub Actions; src/Runner.Common/ActionCommand.cs of its runner;
    Azure Pipelines, Logging commands; TeamCity, Service messages.
    """
    if not any(os.environ.get(name) for name in _READERS):
        return text
    if text.startswith(("{", "[")):  # JSON means the same with the letter escaped
        return _COMMAND.sub(lambda match: match[0].replace("#", "\\u0023"), text)
    return _COMMAND.sub("\\g<0>\u200b", text)


class Console:
    """Where a run writes to; the colour choice of the command line beats NO_COLOR and FORCE_COLOR."""

    base = ""
    """What is put before the paths of findings: the fleet, seen from the working directory."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a character that the terminal does not know is no reason to fail
                stream.reconfigure(errors="backslashreplace")
        self._color: ColorChoice = "auto"
        self._next_progress = time.monotonic() + 1
        self._shown = False

    def choose_color(self, color: ColorChoice) -> None:
        self._color = color

    def data(self, text: str) -> None:
        """What was asked for: it may be piped into a file or another program, which may stop reading."""
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed", "stdout")
        try:
            sys.stdout.write(text)
        except BrokenPipeError:
            self._discard()

    def show(self, text: str) -> None:
        """What was asked for, as text or JSON: no line of it is a command to the pipeline that reads it."""
        self.data(_without_commands(text))

    def deliver(self, report: str, file: str | None, *, has_commands: bool = False) -> None:
        """A report, into the file that was named for it, if one was; `has_commands` is for one that is made of them."""
        if file:
            from kmodgate.renderer.local_files.writing import write_named  # few runs name one

            write_named("--output", file, report.encode("utf-8", "surrogateescape"))
        else:
            self.data(report if has_commands else _without_commands(report))

    def finish(self) -> None:
        """Hands on what is still buffered; raises OSError when that fails."""
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            self._discard()

    @staticmethod
    def _discard() -> None:
        """The reader has seen enough: the rest goes nowhere, and the exit code stays what it is."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def say(self, text: str) -> None:
        """A line for a person."""
        self.clear_progress()
        with suppress(OSError, AttributeError):  # nobody is left to be told, and the run goes on
            sys.stderr.write(_without_commands(text) + "\n")

    def paint(self, text: str, *styles: str, stream: TextIO | None = None) -> str:
        """The text in colour, if the stream (stderr unless given) shows it."""
        if not text or not self._has_color(stream or sys.stderr):
            return text
        codes = ";".join(_CODES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def _has_color(self, stream: TextIO) -> bool:
        if self._color != "auto":
            return self._color == "always"
        if os.environ.get("NO_COLOR"):
            return False
        if os.environ.get("FORCE_COLOR"):
            return True
        return _is_smart(stream)

    def progress(self, what: str, done: int, total: int) -> None:
        """How far a run is, on a terminal that can clear a line, and only once it has taken more than a second."""
        now = time.monotonic()
        if now > self._next_progress and _is_smart(sys.stderr):
            self._next_progress = now + 0.1
            sys.stderr.write(f"\r\x1b[K{what}: {done} of {total}")
            sys.stderr.flush()
            self._shown = True

    def clear_progress(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = False


def _is_smart(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that understands escape sequences."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"

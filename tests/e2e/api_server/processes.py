"""Programs that run beside the tests."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Process:
    """A program with its output in a file, which it adds to on every start."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        """Nothing runs before `start`."""
        self._command = [str(word) for word in command]
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, in a group of its own, so that the terminal's Ctrl-C reaches the tests alone."""
        if self.running:
            raise RuntimeError(f"{self} runs already")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    def check(self) -> None:
        """Raise RuntimeError with the end of the log if the program has ended by itself."""
        if not self.running:
            code = None if self._process is None else self._process.returncode
            text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
            raise RuntimeError(f"{self} has ended with {code}; {self.log} ends with:\n{text[-3000:]}")

    def stop(self, *, seconds: float = 30.0) -> None:
        """End it, by force if it takes longer than that. Nothing happens when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Stop it where it is: its connections stay open, and nobody answers on them."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)  # its last thread may answer until then

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        self.check()
        assert self._process is not None
        self._process.send_signal(number)

    def __str__(self) -> str:
        return Path(self._command[0]).name


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# Loaded before the fork: after it, only what is async-signal-safe is sure to work.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    # Tests that are killed cannot end what they started; the kernel can.
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

"""YAML as kubectl reads it: one `goyaml` process (tests/goyaml), fed through a pipe."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from types import TracebackType
from typing import IO, Self

import pytest

needs_goyaml = pytest.mark.skipif(
    not os.environ.get("GOYAML"),
    reason="GOYAML names no decoder: `make test` builds it from tests/goyaml with Go >= 1.26",
)


class GoYAML:
    """Decodes with sigs.k8s.io/yaml, strictly: a duplicate key is an error. Of several documents it reads the first."""

    def __init__(self, binary: str | None = None) -> None:
        """Start the program at `binary`, by default the one that $GOYAML names."""
        self._process = subprocess.Popen(
            [binary or os.environ["GOYAML"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[bytes] = self._process.stdin
        self._stdout: IO[bytes] = self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def decode(self, text: str) -> object:
        """The document as JSON types; ValueError with the decoder's message when it refuses the text."""
        document = text.encode()
        self._stdin.write(struct.pack(">I", len(document)) + document)
        self._stdin.flush()
        (length,) = struct.unpack(">I", self._read(4))
        answer = self._read(length)
        if answer[0]:
            raise ValueError(answer[1:].decode())
        return json.loads(answer[1:])

    def close(self) -> None:
        """End the process by ending its input."""
        self._stdin.close()
        self._stdout.close()
        self._process.wait(timeout=120)

    def _read(self, size: int) -> bytes:
        data = self._stdout.read(size)
        if len(data) < size:
            raise RuntimeError(f"goyaml ended early, exit code {self._process.wait(timeout=120)}")
        return data

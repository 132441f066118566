"""What the server writes costs it no wait, whoever reads, and nothing of it is lost while somebody does."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kmodgate.webhook.telemetry import audit_log, events
from kmodgate.webhook.telemetry.audit_log import AuditLog
from kmodgate.webhook.telemetry.events import tell
from kmodgate.webhook.telemetry.line_writer import Lines, write_all
from tests.e2e.waiting import eventually
from tests.fleets import REPOSITORY
from tests.webhook.reviews import CLUSTER, dump, pod, review, uid
from tests.webhook.server import serving

pytestmark = pytest.mark.timing


def narrow_pipe() -> tuple[int, int]:
    """A pipe with room for one page."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    return reading, writing


def read_to_the_end(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


# --- the queue ---


def test_lines_come_out_whole_and_in_order_however_many_are_written_at_once() -> None:
    written: list[bytes] = []
    lines = Lines(written.append, batch=100)
    expected = [b"%d\n" % number for number in range(5000)] + [b"x" * 1000 + b"\n"]
    for line in expected:
        lines.put(line)
    assert lines.close(120)
    assert b"".join(written) == b"".join(expected)
    assert max(map(len, written[:-1])) <= 100
    assert lines.lost == 0


def test_what_finds_no_room_is_lost_and_counted_and_what_waits_is_written_when_somebody_reads() -> None:
    is_read, written = threading.Event(), list[bytes]()

    def write(data: bytes) -> None:
        is_read.wait()
        written.append(data)

    lines = Lines(write, batch=10, most=100)
    for _ in range(50):
        lines.put(b"ten bytes\n")
    assert lines.lost == 40
    is_read.set()
    assert lines.close(120)
    assert b"".join(written) == b"ten bytes\n" * 10


def test_the_end_does_not_wait_for_ever() -> None:
    reading, writing = narrow_pipe()
    lines = Lines(lambda data: write_all(writing, data), batch=4096)
    for _ in range(10):
        lines.put(b"x" * 4095 + b"\n")
    assert not lines.close(0.1)
    assert lines.lost > 0
    os.close(reading)
    assert lines.close(120)  # or it would go on writing to whatever gets the number of the pipe next
    os.close(writing)


def test_lines_that_cannot_be_written_are_counted_and_later_ones_are_written() -> None:
    outcomes = iter([OSError("no space left"), None])
    written: list[bytes] = []

    def write(data: bytes) -> None:
        if error := next(outcomes):
            raise error
        written.append(data)

    lines = Lines(write, batch=1)
    lines.put(b"a\n")
    lines.put(b"b\n")
    assert lines.close(120)
    assert (lines.lost, written) == (1, [b"b\n"])


def test_a_pipe_that_does_not_block_takes_everything_all_the_same() -> None:
    reading, writing = narrow_pipe()
    os.set_blocking(writing, False)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(read_to_the_end(reading)))
    reader.start()
    write_all(writing, b"x" * 100_000)
    os.close(writing)
    reader.join(120)
    assert found == [b"x" * 100_000]


# --- the program ---


def test_a_log_that_nobody_reads_holds_up_no_answer_and_not_the_end(tmp_path: Path) -> None:
    reading, writing = narrow_pipe()
    with serving(tmp_path, "--audit-log", "-", "--drain", "0", facts=dump(*CLUSTER), stdout=writing) as server:
        os.close(writing)
        with server.caller() as caller:
            for _ in range(100):
                assert caller.post(review("CREATE", "Pod", pod())).allowed
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    os.close(reading)


def test_a_log_in_a_named_pipe_that_nobody_reads_ends_the_start(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(AssertionError, match=r"--audit-log: .*a pipe that nobody reads.*/pipe"):
        serving(tmp_path, "--audit-log", str(pipe)).__enter__()


def test_a_log_in_a_named_pipe_comes_whole_and_in_order(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AuditLog(str(pipe))
    for number in range(5_000):  # more than a pipe holds
        log.write({"number": number, "long": "x" * 100})
    os.set_blocking(reading, True)
    closing = threading.Thread(target=log.close)
    closing.start()
    with os.fdopen(reading) as lines:
        assert [json.loads(line)["number"] for line in lines] == list(range(5_000))
    closing.join()
    assert log.lost == 0


def test_the_end_loses_no_line_of_a_log_that_is_read(tmp_path: Path) -> None:
    reading, writing = narrow_pipe()
    with serving(tmp_path, "--audit-log", "-", "--drain", "0", facts=dump(*CLUSTER), stdout=writing) as server:
        os.close(writing)
        asked = [review("CREATE", "Pod", pod()) for _ in range(100)]
        with server.caller() as caller:
            for item in asked:
                caller.post(item)
        server.signal(signal.SIGTERM)
        lines = read_to_the_end(reading).splitlines()
        assert server.wait() == 0
    assert [json.loads(line)["uid"] for line in lines] == [uid(item) for item in asked]


def test_events_that_nobody_reads_hold_up_nothing() -> None:
    said = "from kmodgate.webhook.telemetry.events import *\nwith in_background():\n  for _ in range(5000): tell('info', 'x' * 100)"
    process = subprocess.Popen([sys.executable, "-c", said], cwd=REPOSITORY, stderr=subprocess.PIPE)
    try:
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_same_error_again_and_again_is_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(100):
        tell("error", "it failed", reason="the same")
    tell("error", "it failed", reason="another")
    for _ in range(2):
        tell("info", "it works")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line.get("reason")) for line in told] == [
        ("it failed", "the same"), ("it failed", "another"), ("it works", None), ("it works", None),
    ]  # fmt: skip


def test_an_error_that_lasts_is_told_again_with_how_often_it_was_kept_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        tell("error", "it lasts")
    monkeypatch.setattr(events, "_SAME", 0.0)
    tell("error", "it lasts")
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("repeated", 0) for line in told] == [0, 4]


# --- the file ---


def test_the_log_finds_its_file_again_after_it_could_not_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_LOOK_AGAIN", 0.0)
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    log = AuditLog(str(path))

    def written(file: Path, uid: str) -> None:
        log.write({"uid": uid})
        eventually(lambda: uid in file.read_text() if file.is_file() else None, f"{uid} in {file}")

    written(path, "first")
    path.rename(old)
    path.mkdir()
    written(old, "second")
    path.rmdir()
    written(path, "third")
    log.close()
    assert log.lost == 0
    assert [json.loads(line)["uid"] for line in old.read_text().splitlines()] == ["first", "second"]


def test_lines_are_counted_as_lost_while_there_is_no_file_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "_LOOK_AGAIN", 0.0)
    path = tmp_path / "audit.jsonl"
    log = AuditLog(str(path))
    path.unlink()
    path.mkdir()
    log.write({"uid": "a"})
    log.close()
    assert log.lost == 1

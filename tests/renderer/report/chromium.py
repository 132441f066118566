"""A page in a headless Chromium, driven through its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

PROGRAM = shutil.which(os.environ.get("CHROMIUM") or "chromium") or ""

needs_chromium = pytest.mark.skipif(
    not PROGRAM,
    reason="THERE IS NO CHROMIUM, SO NO PAGE WAS OPENED: `make test` installs it with apt-get as root; CHROMIUM=path names one",
)

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip
_SECONDS = 120


class Chromium:
    """One process of the browser; each page gets a tab of its own."""

    def __init__(self, profile: Path) -> None:
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self._rest = b""
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # the protocol is on the file descriptors 3 and 4, and nothing that is copied there may be one of them
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands, answers)]

        def connect() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._log = (profile / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            [PROGRAM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, preexec_fn=connect, close_fds=False,
        )  # fmt: skip
        for end in (commands, answers, *ends):
            os.close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._to)  # the browser ends with its pipe
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from)
        self._log.close()

    def send(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """A command; events that come before its answer are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._write(json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        end = time.monotonic() + _SECONDS
        while True:
            message = self._read(end)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def wait(self, event: str, session: str) -> None:
        """Until the event has come."""
        end = time.monotonic() + _SECONDS
        while not any(item["method"] == event and item.get("sessionId") == session for item in self.events):
            self.events.append(self._read(end))

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError:
            raise AssertionError(self._ended()) from None

    def _ended(self) -> str:
        return f"Chromium ended: {Path(self._log.name).read_text(errors='replace')[-2000:]}"

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, end - time.monotonic()))
            assert ready, f"Chromium does not answer; {self._log.name} may say why"
            data = os.read(self._from, 1 << 20)
            assert data, self._ended()
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, **settings: Any) -> Tab:
        return Tab(self, url, **settings)


class Tab:
    """A page that has been loaded, in a window of a size, with or without its scripts."""

    def __init__(
        self,
        browser: Chromium,
        url: str,
        *,
        size: tuple[int, int] = (1440, 900),
        dark: bool = False,
        scripts: bool = True,
    ) -> None:
        self._browser = browser
        self.target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.send("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.media(dark=dark)
        browser.events.clear()
        self.send("Page.navigate", url=url)
        browser.wait("Page.loadEventFired", self._session)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.send(method, self._session, **parameters)

    def close(self) -> None:
        self._browser.send("Target.closeTarget", targetId=self.target)

    def media(self, kind: str = "", *, dark: bool = False) -> None:
        """Shows the page as on `print`, or to somebody who prefers dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media=kind, features=[scheme])

    def run(self, script: str) -> Any:
        """The value of an expression, as JSON has it."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        code = codes.get(key, ord(key.upper()[0]))
        typed = text or (key if len(key) == 1 else "\r" if key == "Enter" else "")
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=typed, windowsVirtualKeyCode=code)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        image = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(image["data"]))

    def complaints(self) -> list[str]:
        """What the console shows: messages of scripts, exceptions, violations of the page's policy."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        self.run("0")  # what happened before is told before the answer
        return [json.dumps(event["params"]) for event in self._browser.events if event["method"] in kinds]

    def requests(self) -> list[str]:
        """Everything that the page asked for, itself included."""
        sent = (event for event in self._browser.events if event["method"] == "Network.requestWillBeSent")
        return [event["params"]["request"]["url"] for event in sent]

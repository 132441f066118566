"""What waits for a webhook that hangs, command by command, on a real API server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load.figure import Figure
from tests.bench.measure import QUICK
from tests.e2e.admission.test_outage import NOBODY_WAITS, OTHERS_WAIT, prepare
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.definitions import KINDS, generated
from tests.e2e.api_server.programs import MissingPrograms, found
from tests.e2e.protection.guarded import POLICY
from tests.e2e.webhook import in_force

_JOB = "5c2ad2a5-0c58-4a3b-9a3c-1fd5e0b8e5b1"
_PODS = [
    ("run", "plain", "-n", "default", "--image=registry.example.com/a:1"),
    ("run", "privileged", "-n", "default", "--image=registry.example.com/a:1", "--privileged"),
    ("run", "plain", "-n", "ims", "--image=registry.example.com/a:1"),
    ("run", "dkms", "-n", "ims", "--image=registry.example.com/a:1", f"--labels=app=ims-{_JOB}-customize"),
]
_MODULE = [("annotate", "module", "nic", "-n", "drivers", "a=b"), ("delete", "namespace", "drivers", "--wait=false")]


def figures(folder: Path) -> Iterator[Figure]:
    """Seconds of each command while the webhook hangs, and whether it went through."""
    try:
        programs = found()
    except MissingPrograms as missing:
        yield Figure("a webhook that hangs, command by command", str(missing))
        return
    folder.mkdir()
    (folder / "policy.yaml").write_text(POLICY)
    options = ("--policy", str(folder / "policy.yaml"), "--platform", "openshift")
    with ControlPlane(programs, folder / "control-plane") as own:
        own.install(*map(generated, KINDS))
        with in_force(own, folder / "server", ["drivers"], *options, registration=options) as webhook:
            prepare(own)
            own.kubectl("create", "namespace", "ims", check=True)
            webhook.process.send_signal(signal.SIGSTOP)
            try:
                yield from _commands(own)
            finally:
                webhook.process.send_signal(signal.SIGCONT)


def _commands(own: ControlPlane) -> Iterator[Figure]:
    commands = [*_MODULE, *OTHERS_WAIT, *NOBODY_WAITS, *_PODS]
    for arguments in commands[::6] if QUICK else commands:
        began = time.monotonic()
        done = own.kubectl(*arguments)
        went = "went through" if done.returncode == 0 else "refused"
        words = f"{went} after {time.monotonic() - began:.1f} s"
        yield Figure(f"the webhook hangs: `kubectl {' '.join(arguments)}`", words)

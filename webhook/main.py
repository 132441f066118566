"""`kmodgate-webhook serve`: settings → a server, until a signal ends it.

The end, step by step: readiness says no, and every reply closes its connection, so that API servers leave for other
replicas while this one goes on listening; after the delay it takes no connection any more, hears those who have just
come, waits for the replies that are on their way, for the grace at most, and ends. A second signal ends it at once.
Webhook configurations are left as they are: taking them away would leave the cluster without policy between two
replicas.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence

import uvloop

from kmodgate.webhook.admission.policy_file import Broken
from kmodgate.webhook.certificates.key_pair import CertificateError
from kmodgate.webhook.cluster.api_server import ApiServer, from_kubeconfig, in_cluster
from kmodgate.webhook.cluster.dump_file import BadSnapshot, read_snapshot
from kmodgate.webhook.cluster.live_cluster import LiveCluster, SnapshotCluster, Watched
from kmodgate.webhook.cluster.questions import NotAnswered
from kmodgate.webhook.flags import parse
from kmodgate.webhook.server import Server
from kmodgate.webhook.telemetry.events import in_background, take_logs, tell

_FLAGS: Mapping[type[Exception], str] = {Broken: "--policy ", BadSnapshot: "--facts "}
"""What asked for the file that the error begins with."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until a signal; 2 for settings that cannot be used, 3 where the machine or the cluster fails."""
    settings = parse(sys.argv[1:] if arguments is None else arguments)
    take_logs()
    try:
        with in_background():
            return uvloop.run(_serve(settings))
    except (Broken, BadSnapshot, CertificateError, NotAnswered) as error:
        print(f"kmodgate-webhook: {_FLAGS.get(type(error), '')}{error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"kmodgate-webhook: {error}", file=sys.stderr)
        return 3


async def _serve(settings: Namespace) -> int:
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    server = Server(settings, await _cluster(settings))
    await server.start()
    first = await signals.get()
    tell("info", "asked to end", signal=first.name)
    at_once = asyncio.Event()
    second = asyncio.ensure_future(signals.get())
    second.add_done_callback(lambda done: None if done.cancelled() else at_once.set())
    # whoever presses Ctrl-C has no endpoints to wait for
    await server.end(at_once, delay=settings.drain if first is signal.SIGTERM else 0.0)
    second.cancel()
    return 128 + first if at_once.is_set() else 0


async def _cluster(settings: Namespace) -> Watched:
    """Raises BadSnapshot, and NotAnswered where there are no credentials to ask an API server with."""
    if settings.facts:
        return SnapshotCluster(read_snapshot(settings.facts))
    configure = in_cluster() if settings.in_cluster else from_kubeconfig(settings.kubeconfig)
    await configure()
    return LiveCluster(ApiServer(configure))

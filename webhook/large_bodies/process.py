"""The process that judges large bodies: `python -m kmodgate.webhook.large_bodies.process`.

It decides as the server does. What it has to know of the cluster it asks the server for, over the same pipe.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, cast

from kmodgate.policy.cluster.facts import QUESTIONS, Facts, Object, Unknown, with_answers
from kmodgate.policy.lazy import compile_expressions
from kmodgate.policy.views.module import ModuleView
from kmodgate.policy.views.references import references
from kmodgate.webhook.admission.admission_review import Request, Unreadable
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.admission.fail_closed import judged, read
from kmodgate.webhook.cluster.questions import NotAnswered, UserInfo
from kmodgate.webhook.large_bodies.pipe import Done, Job, Question, Reply, receive, send
from kmodgate.webhook.telemetry.events import take_logs

_Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""

_AT_ONCE = 500
"""Objects that are asked for in one question, which the server answers at once."""


class _Server:
    """The other end of the pipe, as the cluster and its facts. How long a question may take is known there."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._found: dict[_Key, Object | Unknown | None] = {}
        self._expected: Iterator[_Key] = iter(())
        asked: dict[str, Callable[..., Any]] = {name: partial(self.ask, name) for name in QUESTIONS}
        asked |= {"neighbours": lambda: _Neighbours(self), "find": self.find}
        self.facts = with_answers(None, **asked)

    def ask(self, method: str, *arguments: object) -> Any:
        send(self._outgoing, Question(method, arguments))
        reply: Reply = receive(self._incoming)
        if reply.unavailable is not None:
            raise NotAnswered(reply.unavailable)
        return reply.value

    def expect(self, keys: Iterator[_Key]) -> None:
        """The objects that a review will look up, in their order; what was found for the last one is forgotten."""
        self._found.clear()
        self._expected = keys

    def find(self, kind: str, namespace: str, name: str) -> Object | Unknown | None:
        """As the facts do, with one question for many objects: a Module may name thousands."""
        key = (kind, namespace, name)
        if key not in self._found:
            keys = [key, *islice(self._expected, _AT_ONCE)]
            self._found.update(zip(keys, self.ask("find_all", keys), strict=True))
        return self._found[key]

    async def fresh(self, namespace: str, *, seconds: float = 0.0) -> Facts:
        self._found.clear()
        self.ask("fresh", namespace)  # from here on the server answers from what it has read anew
        return self.facts

    async def namespace(self, name: str, *, seconds: float = 0.0) -> Object | None:
        return cast("Object | None", self.ask("namespace", name))

    async def access(self, namespace: str, *, seconds: float = 0.0) -> Sequence[Object]:
        return cast("Sequence[Object]", self.ask("access", namespace))

    async def machine_configs(self, *, seconds: float = 0.0) -> Sequence[Object]:
        return cast("Sequence[Object]", self.ask("machine_configs"))

    async def may_override(self, user: UserInfo, namespace: str, *, seconds: float = 0.0) -> bool:
        return bool(self.ask("may_override", user, namespace))

    async def secret(self, namespace: str, name: str, *, seconds: float = 0.0) -> Object | Unknown | None:
        return cast("Object | Unknown | None", self.ask("secret", namespace, name))

    async def owner(self, kind: str, namespace: str, name: str, *, seconds: float = 0.0) -> Object | Unknown | None:
        return cast("Object | Unknown | None", self.ask("owner", kind, namespace, name))


class _Neighbours:
    def __init__(self, server: _Server) -> None:
        self._server = server

    def loading(self, name: str) -> Sequence[ModuleView]:
        return self._views("loading", name)

    def making(self, name: str) -> Sequence[ModuleView]:
        return self._views("making", name)

    def dra(self) -> Sequence[ModuleView]:
        return self._views("dra")

    def _views(self, method: str, *arguments: object) -> Sequence[ModuleView]:
        return [ModuleView(item) for item in self._server.ask(method, *arguments)]


def _done(job: Job, admitter: Admitter, server: _Server) -> Done:
    try:
        request = read(job.body)
    except Unreadable as error:
        return Done(None, error.message)
    if isinstance(request, Answer):
        return Done(_without_bodies(request))
    server.expect(_looked_up(request))
    return Done(_without_bodies(asyncio.run(judged(job.path, request, admitter, server, job.now))))


def _looked_up(request: Request) -> Iterator[_Key]:
    """The objects that a Module names."""
    if request.kind == "Module" and request.object:
        for item in references(ModuleView(request.object)):
            yield item.kind, request.namespace, item.name


def _without_bodies(answer: Answer) -> Answer:
    """The answer without the objects, of which the server needs the name at most, and without what nobody may see."""
    request = answer.request
    if request is None:
        return answer
    return replace(answer, request=replace(request, object=None, old=None, name=request.object_name, user_info={}))


def main() -> int:
    """Takes jobs until the server ends the pipe."""
    take_logs()
    compile_expressions()
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what prints must not end up between messages
    server = _Server(incoming, outgoing)
    admitter: Admitter | None = None
    gc.freeze()
    gc.disable()  # the objects of a review hold no cycles, and looking for some takes longer than judging them
    while (job := receive(incoming)) is not None:
        if admitter is None or (admitter.policy, admitter.traits) != (job.policy, job.cluster):
            admitter = Admitter(job.policy, job.cluster)
        send(outgoing, _done(job, admitter, server))
        del job
        gc.collect(0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What strangers send beside 300 reviews a second: Modules that cost much for their size, and crowds that stop."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kmodgate.webhook.http.descriptors import raise_limit
from tests.webhook.issued_certificates import AUTHORITY
from tests.webhook.manifests import encoded, module, review
from tests.webhook.serving import trusting

CROWD = 300


def bodies() -> Iterator[tuple[str, bytes]]:
    """Reviews by what they are; each once took seconds."""
    yield "300 names, 1,000 globs, 120 `sign` blocks", encoded(review(with_globs()))
    yield "900 mappings, 6,000 Secrets", encoded(review(with_secrets()))
    expressions = encoded(review(_with_expressions())).replace(b'"regexp"', b'"\\u0072egexp"')
    yield "1,000 expressions, spelt with an escape", expressions


def _container(**fields: Any) -> dict[str, Any]:
    item: dict[str, Any] = module(0)
    item["spec"]["moduleLoader"]["container"] |= fields
    return item


def _mappings(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"regexp": rf"^5\.14\.{number}-.+$", "containerImage": "", **fields} for number in range(count)]


def _sign(*files: str) -> dict[str, Any]:
    return {"keySecret": {"name": "key"}, "certSecret": {"name": "cert"}, "filesToSign": list(files)}


def with_globs() -> dict[str, Any]:
    names = [f"m{number}" for number in range(300)]
    return _container(
        modprobe={"moduleName": "m0", "modulesLoadingOrder": names, "dirName": "/opt"},
        sign=_sign(*(f"/opt/*{number}x*.ko" for number in range(1000))),
        kernelMappings=_mappings(120, sign=_sign("/opt/none.ko")),
    )


def with_secrets() -> dict[str, Any]:
    build = {"dockerfileConfigMap": {"name": "d"}}
    secrets = [{"name": f"s{number}"} for number in range(6000)]
    own = {**build, "secrets": [{"name": "own"}]}
    return _container(build={**build, "secrets": secrets}, kernelMappings=_mappings(900, build=own))


def _with_expressions() -> dict[str, Any]:
    mappings = [{"regexp": rf"^5\.{number}[0-9]{{1,60}}\..+$", "containerImage": ""} for number in range(1000)]
    return _container(kernelMappings=mappings)


def half_sent(port: int, stack: ExitStack, addresses: int = 1) -> None:
    """Holds connections from some addresses, in turn, that have sent half a body."""
    raise_limit()
    context = trusting(AUTHORITY)
    head = b"POST /validate?timeout=30s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for number in range(CROWD):
        source = (f"127.0.0.{2 + number % addresses}", 0)
        connection = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=source)
        secured = stack.enter_context(context.wrap_socket(connection, server_hostname="localhost"))
        secured.sendall(head + b"Content-Length: 1000\r\n\r\n{")


def idle(port: int, stack: ExitStack) -> None:
    """Holds connections from one address that say nothing."""
    raise_limit()
    for _ in range(CROWD):
        connection = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=("127.0.0.2", 0))
        stack.enter_context(connection)


def unknown_kinds(count: int) -> Iterator[bytes]:
    """Reviews of objects each of another kind and group, every other one of a resource that is asked about."""
    for number in range(count):
        asked = review(module(0))
        kind = {"group": f"g{number}.example.com", "version": "v1", "kind": f"Kind{number}"}
        request = asked["request"] | {"kind": kind, "requestKind": kind}
        if number % 2:
            resource = {"group": kind["group"], "version": "v1", "resource": f"kind{number}s"}
            request |= {"resource": resource, "requestResource": resource}
        request["object"] |= {"apiVersion": f"{kind['group']}/v1", "kind": kind["kind"]}
        yield encoded(asked | {"request": request})


def written(folder: Path) -> Iterator[tuple[str, Path]]:
    """The reviews as files."""
    for number, (what, body) in enumerate(bodies()):
        file = folder / f"hostile-{number}"
        file.write_bytes(body)
        yield what, file

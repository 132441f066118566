"""Requests to the API server: credentials and TLS come from the Kubernetes client, bodies stay bytes.

Of that client only the configuration and its session are used: its typed API reads every object into a tree of models,
which costs more memory than the objects that are kept.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from kmodgate.webhook.cluster.questions import NotAnswered

JSON = "application/json"

_CONNECT_SECONDS = 10.0
_RELOAD_SECONDS = 10.0  # between two readings of the credentials, however often they are refused
_LARGEST = 64 << 20  # bytes of an answer: a page of a list has a quarter of that at most

Configure = Callable[[], Awaitable[Configuration]]
Query = Mapping[str, str | int]


def in_cluster() -> Configure:
    """The ServiceAccount of the pod; its token is read again once a minute, because it is replaced every hour or so."""

    async def configure() -> Configuration:
        configuration = Configuration()
        try:
            load_incluster_config(client_configuration=configuration)
        except (ConfigException, OSError) as error:
            raise NotAnswered(f"the ServiceAccount of the pod: {error}") from error
        return configuration

    return configure


def from_kubeconfig(path: str) -> Configure:
    """The current context of a kubeconfig file."""

    async def configure() -> Configuration:
        configuration = Configuration()
        try:
            await load_kube_config(config_file=path, client_configuration=configuration, persist_config=False)
        except Exception as error:  # of any type, for a file of any shape; the loader's words may quote a token
            raise NotAnswered(f"{path}: no usable kubeconfig ({type(error).__name__})") from None
        return configuration

    return configure


class ApiServer:
    """One API server. Its credentials are read again when it does not accept them, or its certificate not ours.

    `configure` raises NotAnswered for credentials that cannot be read, and so does the first request then.
    """

    def __init__(self, configure: Configure) -> None:
        self._configure = configure
        self._configuration: Configuration | None = None
        self._client: RESTClientObject | None = None
        self._loading = asyncio.Lock()
        self._loaded = 0.0

    async def get(self, path: str, query: Query | None = None, *, seconds: float, accept: str = JSON) -> bytes:
        """The body of an answer of status 200. Raises NotAnswered, for any other status, too."""
        return await self._body("GET", _with(path, query), accept, None, seconds)

    async def post(self, path: str, body: Any, *, seconds: float) -> bytes:
        """The body of the answer to an object that is created. Raises NotAnswered."""
        return await self._body("POST", path, JSON, body, seconds)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Query, *, seconds: float, silence: float, accept: str = JSON
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an answer as it arrives, in pieces of any size.

        Raises NotAnswered at once, or later when nothing arrives for `silence` seconds, or more after `seconds`.
        """
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS, sock_read=silence)
        with _told(path):
            response = await self._send("GET", _with(path, query), accept, None, timeout)
            async with response:
                await _refuse(response, path)
                yield response.content.iter_any()

    async def close(self) -> None:
        """Ends every request that still runs."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _body(self, method: str, url: str, accept: str, body: Any, seconds: float) -> bytes:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, _CONNECT_SECONDS))
        with _told(url):
            async with await self._send(method, url, accept, body, timeout) as response:
                await _refuse(response, url)
                return await _limited(response, url)

    async def _send(
        self, method: str, url: str, accept: str, body: Any, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        used = self._loaded
        try:
            response = await self._once(method, url, accept, body, timeout)
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError):
            if not await self._reload(used):
                raise
            return await self._once(method, url, accept, body, timeout)
        if response.status == 401 and await self._reload(used):
            response.release()
            return await self._once(method, url, accept, body, timeout)
        return response

    async def _once(
        self, method: str, url: str, accept: str, body: Any, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        if self._client is None:
            await self._reload(self._loaded)
        assert self._client is not None
        assert self._configuration is not None
        settings: dict[str, Any] = dict(await self._configuration.auth_settings())
        headers = {str(item["key"]): str(item["value"]) for item in settings.values()}
        headers |= {"Accept": accept, "Content-Type": JSON}
        answer = await self._client.request(
            method, self._configuration.host + url, headers=headers, body=body, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _reload(self, used: float) -> bool:
        """Reads the credentials again, but for those that are newer than `used`. Whether it is worth another try."""
        async with self._loading:
            if self._client is not None and self._loaded != used:
                return True  # somebody else has done it meanwhile
            now = time.monotonic()
            if self._client is not None and now - self._loaded < _RELOAD_SECONDS:
                return False
            configuration = await self._configure()
            client = RESTClientObject(configuration)
            old, self._client = self._client, client
            self._configuration, self._loaded = configuration, now
            if old is not None:
                await old.close()
            return True


def parsed(text: bytes) -> dict[str, Any]:
    """The object that an answer is. Raises NotAnswered for anything else."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotAnswered(f"an answer that is no JSON: {error}") from None
    if type(value) is not dict:
        raise NotAnswered("an answer that is no object")
    return value


def listed(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of a page of a list. Raises NotAnswered for what is no list: nothing there is not the same."""
    items = page.get("items")
    if items is None and str(page.get("kind", "")).endswith("List"):
        return []
    if type(items) is not list or not all(type(item) is dict for item in items):
        raise NotAnswered("an answer that is no list of objects")
    return items


class _told:
    """What goes wrong on the way to the API server is told as NotAnswered, with what was asked."""

    def __init__(self, url: str) -> None:
        self._path = url.partition("?")[0]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NotAnswered):
            return
        if isinstance(error, TimeoutError):  # aiohttp's own are among them
            raise NotAnswered(f"{self._path}: no answer in time") from error
        if isinstance(error, (aiohttp.ClientError, OSError, ConfigException)):
            raise NotAnswered(f"{self._path}: {error or type(error).__name__}") from error


async def _refuse(response: aiohttp.ClientResponse, url: str) -> None:
    """Raises NotAnswered for a status that is no success, with the words of the API server."""
    if response.status < 300:
        return
    text = (await response.content.read(64 << 10)).decode("utf-8", "replace")
    try:
        message = str(orjson.loads(text)["message"])
    except (ValueError, LookupError, TypeError):
        message = text.strip()
    path = url.partition("?")[0]
    waits = response.headers.get("Retry-After", "")
    raise NotAnswered(
        f"{path}: {response.status} {message[:500]}", response.status, float(waits) if waits.isdecimal() else 0.0
    )


async def _limited(response: aiohttp.ClientResponse, url: str) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_any():
        found += piece
        if len(found) > _LARGEST:
            raise NotAnswered(f"{url.partition('?')[0]}: the answer is larger than {_LARGEST >> 20} MiB")
    return bytes(found)


def _with(path: str, query: Query | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path

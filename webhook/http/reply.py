"""The HTTP of a review's answer, written as a whole, which the framework takes three times as long for."""

from __future__ import annotations

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json\r\n"
    b"Content-Length: %d\r\n"
    b"Date: %b\r\n"
    b"%b"
    b"\r\n"
    b"%b"
)  # fmt: skip


class Reply(web.StreamResponse):
    """A response of JSON to a request of HTTP/1.1. Its headers are fixed; the connection stays unless it is closed."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._text = body
        self._stays = True

    @property
    def keep_alive(self) -> bool:
        return self._stays

    def force_close(self) -> None:
        self._stays = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self._request = request
        self._stays = self._stays and request.keep_alive
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Raises ConnectionResetError where nobody is there any more."""
        transport, writer = self._request.transport, self._request.writer
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        close = b"" if self._stays else b"Connection: close\r\n"
        text = self._text
        transport.write(_HEAD % (len(text), rfc822_formatted_time().encode(), close, text))
        await writer.drain()


def reply(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """What a review is answered; older requests get the framework's response, which says what they need."""
    if request.version == HttpVersion11:
        return Reply(body)
    return web.Response(body=body, content_type="application/json")

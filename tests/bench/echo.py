"""A bare aiohttp server that sends every body back: what the framework and TLS cost where nothing is decided.

`python -m tests.bench.echo CERTIFICATE KEY` prints its port. The event loop and the TLS settings are the webhook's, and
so is the framework's lowest level, without a router.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

from webhook.tls import Certificates, MaterialFiles


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=await request.read(), content_type="application/json")


async def main(files: MaterialFiles) -> None:
    certificates = Certificates()
    certificates.refresh(files)
    runner = web.ServerRunner(web.Server(echo, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.context).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    from pathlib import Path

    uvloop.run(main(MaterialFiles(*map(Path, sys.argv[1:]))))

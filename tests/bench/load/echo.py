"""A bare aiohttp server that sends every body back: what the framework and TLS cost where nothing is decided.

`python -m tests.bench.load.echo CERTIFICATE KEY [uvloop]` prints its port. As it is, it runs as a first aiohttp program does:
an application with one route, on asyncio's own loop. With `uvloop` it is as lean as the framework can be: no router,
and the webhook's own loop. The TLS settings are the webhook's in both.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from kmodgate.webhook.certificates.served_certificate import Certificates, MaterialFiles


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=await request.read(), content_type="application/json")


def runner(*, lean: bool) -> web.BaseRunner:
    if lean:
        return web.ServerRunner(web.Server(echo, access_log=None))
    application = web.Application()
    application.router.add_post("/validate", echo)
    return web.AppRunner(application, access_log=None)


async def main(files: MaterialFiles, *, lean: bool) -> None:
    certificates = Certificates()
    certificates.refresh(files)
    running = runner(lean=lean)
    await running.setup()
    await web.TCPSite(running, "127.0.0.1", 0, ssl_context=certificates.context).start()
    print(running.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    certificate, key, *loop = sys.argv[1:]
    files = MaterialFiles(Path(certificate), Path(key))
    (uvloop if loop else asyncio).run(main(files, lean=bool(loop)))

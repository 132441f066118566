"""Ends with 0 if the Image Management Service has no open job, and with 1 if it has some or cannot be asked.

A new pod of the service breaks open jobs off from it: what they report meanwhile is lost. The sync is then tried again.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

ATTEMPTS = 5
CLOSED = ("success", "error")


def read(name: str) -> str:
    with open(os.path.join(os.environ["AUTH_DIR"], name), encoding="utf-8") as file:
        return file.read().strip()


def ask(request: urllib.request.Request, context: ssl.SSLContext | None) -> Any:
    """The answer as JSON; a busy or restarting gateway is asked again."""
    for attempt in range(1, ATTEMPTS):
        try:
            return once(request, context)
        except urllib.error.HTTPError as error:
            if error.code not in (502, 503, 504):
                raise
        except (urllib.error.URLError, ConnectionError) as error:
            print("again:", error)
        time.sleep(float(os.environ.get("PAUSE", "5")) * attempt)
    return once(request, context)


def once(request: urllib.request.Request, context: ssl.SSLContext | None) -> Any:
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:
        return json.load(answer)


def token(context: ssl.SSLContext | None) -> str:
    form = {"grant_type": "client_credentials", "client_id": read("client-id"), "client_secret": read("client-secret")}
    found = ask(urllib.request.Request(read("endpoint"), urllib.parse.urlencode(form).encode()), context)
    return str(found["access_token"])


def main() -> int:
    ca = os.environ.get("CA_CERT")
    context = ssl.create_default_context(cafile=ca) if ca else None
    try:
        headers = {"Authorization": "Bearer " + token(context)}
        jobs = ask(urllib.request.Request(os.environ["IMS_URL"] + "/jobs", headers=headers), context)
        still_open = [job for job in jobs if job.get("status") not in CLOSED]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print("the service cannot be asked:", error)
        return 1
    for job in still_open:
        print("open:", job.get("id"), job.get("job_type"), job.get("status"), job.get("created"))
    print(len(still_open), "open jobs")
    return 1 if still_open else 0


if __name__ == "__main__":
    sys.exit(main())

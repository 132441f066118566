"""Ends with 0 once the Deployment of the service runs one ready pod with the wanted checksum, and with 1 after a while.

The service reads its ConfigMap once, at the start: a pod with another checksum has other values.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.parse
import urllib.request
from typing import Any

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
KEY = "checksum/ims-config"


def get(path: str) -> Any:
    """An object of the API server."""
    return json.loads(text(path))


def text(path: str) -> str:
    folder = os.environ.get("ACCOUNT_DIR", ACCOUNT)
    with open(os.path.join(folder, "token"), encoding="utf-8") as file:
        headers = {"Authorization": "Bearer " + file.read().strip()}
    url = os.environ.get("API_URL", "https://kubernetes.default.svc") + path
    ca = os.path.join(folder, "ca.crt")
    context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60, context=context) as answer:
        return str(answer.read().decode("utf-8", "replace"))


def reason() -> str:
    """Why the service has not settled yet, or nothing."""
    namespace, name, wanted = os.environ["NAMESPACE"], os.environ["DEPLOYMENT"], os.environ["CHECKSUM"]
    deployment = get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    template = deployment["spec"]["template"]["metadata"].get("annotations") or {}
    if template.get(KEY) != wanted:
        return f"the pod template has another checksum: {template.get(KEY)}"
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return "the Deployment has not been looked at"
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "readyReplicas")]
    if counts != [1, 1, 1]:
        return f"replicas, updated, ready: {counts}"
    labels = deployment["spec"]["selector"]["matchLabels"]
    selector = urllib.parse.quote(",".join(f"{key}={value}" for key, value in sorted(labels.items())))
    pods = get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")["items"]
    new = [pod for pod in pods if (pod["metadata"].get("annotations") or {}).get(KEY) == wanted]
    if not new or len(new) != len(pods):
        return f"{len(new)} of {len(pods)} pods have the checksum"
    return said_otherwise(namespace, new[0]["metadata"]["name"], name)


def said_otherwise(namespace: str, pod: str, container: str) -> str:
    """What is wrong with the line of the log that tells of DKMS, or nothing; at some levels there is none."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}"
    lines = [line for line in text(path).splitlines() if "DKMS enabled:" in line]
    found = lines[-1].rpartition("DKMS enabled:")[2].strip().lower() if lines else ""
    if found in ("true", "false") and found != os.environ["DKMS"]:
        return f"the service says: DKMS enabled: {found}"
    return ""


def main() -> int:
    until = time.monotonic() + float(os.environ.get("SECONDS", "1200"))
    while True:
        try:
            why = reason()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"the API server cannot be asked: {error!r}"
        if not why:
            print("the service runs with the wanted values")
            return 0
        print(why, flush=True)
        if time.monotonic() > until:
            return 1
        time.sleep(float(os.environ.get("PAUSE", "10")))


if __name__ == "__main__":
    sys.exit(main())

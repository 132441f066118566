"""The command lines of a control plane."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from tests.e2e.api_server.certificates import Pair

Command: TypeAlias = list[str | Path]

Identity: TypeAlias = Literal["own", "service-accounts"]
"""Who the controllers are to the API server."""

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "serviceaccount-controller",
    "statefulset-controller",
)


def etcd(program: Path, folder: Path, port: int) -> Command:
    """etcd for one run: what it keeps is not worth waiting for the disk."""
    url = f"http://127.0.0.1:{port}"
    return [
        program,
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(
    program: Path, folder: Path, pair: Pair, *, port: int, etcd_port: int, ca: Path, token_file: Path
) -> Command:
    """An API server with RBAC, the admission plugins of a real one, and an audit log.

    Without the plugin ServiceAccount pods are admitted although no kubelet, and no controller of tokens, is there.
    """
    return [
        program,
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={pair.certificate}",
        f"--tls-private-key-file={pair.key}",
        f"--client-ca-file={ca}",
        f"--token-auth-file={token_file}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pair.certificate}",
        f"--service-account-signing-key-file={pair.key}",
        f"--audit-policy-file={folder / 'audit.json'}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-maxsize=2000",
        # Its own address would be an endpoint of the Service kubernetes, and endpoints on loopback are refused.
        "--endpoint-reconciler-type=none",
        # A watch has no end of its own, and the API server would wait a minute for it when it ends.
        "--shutdown-send-retry-after=true",
        "--shutdown-watch-termination-grace-period=1s",
        "--profiling=false",
    ]


def controller_manager(program: Path, kubeconfig: Path, pair: Pair, port: int, *, identity: Identity) -> Command:
    """The controllers of CONTROLLERS, quick enough for tests with thousands of objects."""
    return [
        program,
        f"--kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={pair.certificate}",
        f"--tls-private-key-file={pair.key}",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--use-service-account-credentials={'true' if identity == 'service-accounts' else 'false'}",
        "--leader-elect=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]

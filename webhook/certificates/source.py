"""Where the served certificate comes from: files that somebody else renews, or a Secret that replicas renew."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Protocol

from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import load_incluster_config, load_kube_config

from kmodgate.webhook.certificates.kubernetes_objects import KubernetesConfigurations, KubernetesSecrets
from kmodgate.webhook.certificates.self_managed import SelfManaged
from kmodgate.webhook.certificates.served_certificate import Certificates, MaterialFiles, follow


class Source(Protocol):
    """What keeps a certificate current."""

    @property
    def last_error(self) -> str:
        """Why the last attempt failed, empty if it did not."""
        ...

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        ...


class Files:
    """Certificate and key from files."""

    last_error = ""  # the certificates tell it themselves

    def __init__(self, certificates: Certificates, files: MaterialFiles) -> None:
        """Raises CertificateError where the first pair cannot be served: there is nothing to begin with."""
        self._certificates = certificates
        self._files = files
        certificates.take(files.read())

    async def run(self) -> None:
        await follow(self._certificates, self._files)


class Stored:
    """Certificate and CA that are made here, and kept in a Secret."""

    def __init__(self, settings: Namespace, certificates: Certificates) -> None:
        self._settings = settings
        self._certificates = certificates
        self._managed: SelfManaged | None = None
        self._problem = ""

    @property
    def last_error(self) -> str:
        return self._managed.last_error if self._managed else self._problem

    async def run(self) -> None:
        settings = self._settings
        try:
            await _configure(settings)
        except Exception as error:
            self._problem = f"credentials of the API server: {error}"
            raise
        namespace, _, name = settings.certificate_secret.partition("/")
        async with ApiClient() as client:
            self._managed = SelfManaged(
                KubernetesSecrets(client, namespace, name),
                KubernetesConfigurations(
                    client,
                    [
                        ("ValidatingWebhookConfiguration", settings.validating_configuration),
                        ("MutatingWebhookConfiguration", settings.mutating_configuration),
                    ],
                ),
                self._certificates,
                names=settings.certificate_name,
                client_ca=Path(settings.client_ca) if settings.client_ca else None,
            )
            await self._managed.run()


async def _configure(settings: Namespace) -> None:
    if settings.in_cluster:
        load_incluster_config()
    else:
        await load_kube_config(config_file=settings.kubeconfig)


def source_of(settings: Namespace, certificates: Certificates) -> Source:
    """The source that the settings name. Raises CertificateError for files that hold no usable pair."""
    if settings.certificate_secret:
        return Stored(settings, certificates)
    client_ca = Path(settings.client_ca) if settings.client_ca else None
    return Files(certificates, MaterialFiles(Path(settings.tls_cert), Path(settings.tls_key), client_ca))

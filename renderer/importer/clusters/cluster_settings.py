"""What the objects of a cluster say of the cluster itself: the operator, mirrors, Argo CD."""

from __future__ import annotations

from kmodgate.renderer.importer.clusters.argocd import add_argocd
from kmodgate.renderer.importer.clusters.cluster_draft import Settings
from kmodgate.renderer.importer.clusters.mirrors import add_mirrors
from kmodgate.renderer.importer.clusters.operator import add_operator
from kmodgate.renderer.importer.objects.reading import Objects


def cluster_settings(objects: Objects) -> Settings:
    """Return the fields of the Cluster spec that objects say, which objects those are, and what is lost of them."""
    settings = Settings()
    add_operator(objects, settings)
    add_mirrors(objects, settings)
    add_argocd(objects, settings)
    return settings

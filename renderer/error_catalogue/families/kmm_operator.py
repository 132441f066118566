"""Errors about KMM's operator and its configuration."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "OPC: KMM's operator"

ENTRIES = (
    Entry(
        "OPC201",
        "a dump shows KMM from another installation than the one that the specs render: another Subscription, a"
        " Helm release (AMD's GPU Operator brings one), a Deployment elsewhere",
        "remove that one first, or `spec.kmm.install`; a DriverPolicy may give it a mode like a rule",
    ),
    Entry(
        "OPC202",
        "the operator leaves a cluster while Modules or loaded drivers are there, which nothing would unload",
        "remove the drivers first, and the operator in a later commit ([operator](operator.md#removal)); a"
        " DriverPolicy may give it a mode like a rule",
    ),
)

"""Errors about an ImageService."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "IMS: an ImageService"

ENTRIES = (
    Entry(
        "IMS501",
        "a cluster that two ImageServices select",
        "narrow one of the selectors",
    ),
    Entry(
        "IMS502",
        "a field that the release of the service does not know, or ignores",
        "remove it there by an override, or take the release named",
    ),
    Entry(
        "IMS503",
        "fields that contradict each other, or that mean nothing together",
        "keep one of them, as the fix says",
    ),
    Entry(
        "IMS504",
        "a flag that has no effect (a warning), since another setting decides before it is asked for",
        "change that setting, or remove the flag",
    ),
    Entry(
        "IMS505",
        "a configuration of CFS that cannot be used: a page of HTML, no JSON, the fields of another API, or a layer"
        " that it does not have",
        "export it again as JSON, or correct `api` and `layers`",
    ),
    Entry(
        "IMS506",
        "a DriverPolicy that says of Kata what the cluster's ImageService says differently",
        "remove `parameters.kata` from the policy, as far as the ImageService says it",
    ),
    Entry(
        "IMS507",
        "a configuration of CFS with `name` or `lastUpdated`, as `describe` prints it (a warning): CFS sets these"
        " fields itself, and an update with them is refused",
        "remove the fields from the file",
    ),
)

"""Errors in the structure of specs and of files."""

from __future__ import annotations

from kmodgate.renderer.error_catalogue.families.entry import Entry

TITLE = "SCH: structure"

ENTRIES = (
    Entry(
        "SCH001",
        "a file cannot be used: not UTF-8, a folder, a link out of the fleet, larger than 1 MiB, a fleet"
        " inside a fleet",
        "save it as UTF-8, replace the link by a copy, split it",
    ),
    Entry(
        "SCH002",
        "not YAML; often a tab in the indentation, a quote or bracket that is not closed, or a login page of HTML",
        "correct the line that it names; a quote is reported where it begins",
    ),
    Entry(
        "SCH003",
        "a key stands twice in a map, and readers silently take the last; or a second document begins without a"
        " line `---`",
        "keep one, or put `---` between the documents",
    ),
    Entry(
        "SCH004",
        "an anchor, alias, merge key or tag; specs are read without them",
        "write the value out",
    ),
    Entry(
        "SCH005",
        "a value that YAML readers disagree on (`yes`, `0644`, `1e3`, `2024-01-01`), or a number beyond 64 bits",
        "quote a text, write `true`, `false` or the number otherwise",
    ),
    Entry(
        "SCH006",
        "an empty file",
        "write a spec into it, or delete it",
    ),
    Entry(
        "SCH007",
        "larger than 1 MiB, more than 1,000 documents, or nested deeper than 32 levels",
        "split or flatten it",
    ),
    Entry(
        "SCH008",
        "a Module of KMM among the specs, which render puts nowhere, or a spec that lies in no fleet (a warning)",
        "turn the Module into a spec with `kmodgate import FILE`, and delete the file; for the spec, mark the root"
        " of its fleet with an empty `kmodgate.yaml`",
    ),
    Entry(
        "SCH101",
        "an unknown field; the API server would drop it silently",
        "the fix names the field that was meant, or the place where it belongs",
    ),
    Entry(
        "SCH102",
        "a value of another type: a number or boolean where a string belongs, a key without a value",
        "the fix has the line to write",
    ),
    Entry(
        "SCH103",
        "a required field is missing, or a field means nothing without another",
        "add it",
    ),
    Entry(
        "SCH104",
        "a value that is not allowed, or fields that exclude each other",
        "the fix names what is",
    ),
    Entry(
        "SCH105",
        "two items of one name in a list that overrides merge by name, two removals of one Module, or two mirrors"
        " of one source",
        "rename or remove one",
    ),
    Entry(
        "SCH106",
        "a field that the cluster's KMM or Kubernetes does not know, or ignores (a warning)",
        "remove it there by an override, or upgrade to the version named",
    ),
    Entry(
        "SCH107",
        "the API server would refuse the object: a name, a label or an annotation is not valid",
        "correct it",
    ),
    Entry(
        "SCH108",
        "a kind or version of KMM's group that there is not",
        "correct it as the message says",
    ),
    Entry(
        "SCH109",
        "an object that is meant for KMM, of a former or misspelt group, or of a kind in the plural",
        "write apiVersion and kind as the message says",
    ),
    Entry(
        "SCH112",
        "what pods of DaemonSets cannot have: an account of the device plugin's own in the driver's pod, a mount of"
        " no volume, rights without which no module is loaded, or an option without what it is for",
        "move the field, or change the other, as the fix says",
    ),
)

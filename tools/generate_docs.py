"""`python -m tools.generate_docs` writes the generated pages of docs/; `--check` finds those that lag."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kmodgate import schemas
from kmodgate.policy.findings import format_path
from kmodgate.policy.kata.view import NOT_INJECTABLE
from kmodgate.policy.kmm.versions import IGNORED_BY_REDHAT, REMOVALS, SINCE, First
from kmodgate.policy.rule import RETIRED, RULES, load_rules
from kmodgate.renderer.fleet.fields.field_table import CAUSES, OWN, SYNONYMS, rows
from tools import node_access_page
from tools.commands_page import commands_page
from tools.errors_page import errors_page
from tools.rule_examples import examples
from tools.tables_in_pages import check_page, webhook_page

_DOCS = Path(__file__).parent.parent / "docs"

_INTRODUCTION = """\
# The specs

Generated from `schemas/` and the table of `renderer/fleet/fields/field_table.py` by `make docs`; do not edit.

A spec is a YAML document of group `kmodgate.io` in any `*.yaml` or `*.yml` file below the root of a fleet, which is
the folder that holds a file `kmodgate.yaml`. Several documents in one file are fine. The output folders, `rendered` and
`handover`, folders that start with a dot and Helm charts are not searched. `kmodgate schema KIND` prints the JSON
Schema of a kind; the first line of a file tells editors where it is:

    # yaml-language-server: $schema=../schemas/kmodgate.io/kerneldriver_v1alpha1.json

Specs are read strictly: an unknown field, a key that stands twice, an anchor, an alias, a tag, a number or boolean
where a string belongs, and a value that two YAML readers would read differently (`yes`, `0644`, `1e3`, `2024-01-01`)
are errors that come with the fix. A file has at most 1 MiB and 32 levels.

In the tables, `[]` is every item of a list. *Required* means: where its parent is given.
"""

_OVERRIDES = """\
## Overrides

`spec.overrides` is applied in its order, for the clusters that each entry selects. A `patch` is an RFC 7386 merge
patch of `spec`: maps are merged, `null` removes a field, anything else replaces. `kernelMappings`, `volumes`, `env`
and `deviceClasses` merge by the `name` of their items: an item with a known name is merged into it, any other is
added. A new kernel mapping goes before the others, because KMM takes the first that matches and an override is the
more specific; new volumes, variables and classes go to the end. To replace such a list as a whole, remove it with
`null` in one entry and give it in the next. An override may not change `clusters` or `overrides`. The result is
checked as a spec is, and errors point at the override.
"""


def spec_page() -> str:
    """docs/spec.md: every field of every spec kind, and what it becomes."""
    parts = [_INTRODUCTION]
    for kind in ("KernelDriver", "Cluster", "ImageService", "DriverPolicy", "Removals"):
        parts.append(_kind(kind))
        if kind == "KernelDriver":
            parts.append(_OVERRIDES)
    return "\n".join(parts)


def _kind(kind: str) -> str:
    schema = json.loads(schemas.read(schemas.KINDS[kind]))
    targets = _targets() if kind == "KernelDriver" else {}
    columns = [
        "field",
        "type",
        "required",
        "default",
        *(["becomes (in the Module where no kind is named)"] if targets else []),
        "meaning",
    ]
    lines = [f"## {kind}", "", schema["description"], "", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    lines += (_row(field, targets) for field in _fields(schema, schema, "", False))
    return "\n".join(lines) + "\n"


def _targets() -> dict[str, str]:
    """Field of the driver's spec → object path and, where it is not as old as KMM 1.1, since when."""
    table = {f"spec.{ours}": theirs for ours, theirs in rows()}
    for ours, theirs in SYNONYMS.items():
        for path in [path for path in table if path.endswith(f".{theirs}")]:
            table[path.removesuffix(theirs) + ours] = table[path]
    found = {path.removesuffix("[]"): _becomes(target) for path, target in table.items()}
    for row in CAUSES:
        if row.spec != OWN:
            path = format_path(("spec", *row.spec))
            found[path] = ", ".join((*filter(None, [found.get(path)]), f"{row.kind} `{format_path(row.object)}`"))
    return found


def _becomes(target: str) -> str:
    notes = [
        f"KMM {since.upstream}{f', Red Hat {since.redhat}' if since.redhat else ''}"
        for since in SINCE
        if re.fullmatch(re.escape(since.path) + r"(\[\])?(\.name)?", target)
    ]
    notes += ["before KMM 2.1: one name, as inTreeModuleToRemove" for path in REMOVALS if target == path]
    notes += ["ignored by Red Hat's build" for path in IGNORED_BY_REDHAT if target == path]
    return f"`{target.removeprefix('spec.')}`" + (f" ({'; '.join(notes)})" if notes else "")


class _Field:
    """One row of a page."""

    def __init__(self, path: str, schema: dict[str, Any], required: bool) -> None:
        self.path = path
        self.schema = schema
        self.required = required


def _row(field: _Field, targets: dict[str, str]) -> str:
    schema = field.schema
    default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
    example = f" Example: `{json.dumps(schema['examples'][0], ensure_ascii=False)}`" if "examples" in schema else ""
    cells = [f"`{field.path}`", _type(schema), "yes" if field.required else "", default]
    if targets:
        cells.append(targets.get(field.path, ""))
    cells.append(schema.get("description", "") + example)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"


def _fields(schema: dict[str, Any], root: dict[str, Any], path: str, inner: bool) -> Iterator[_Field]:
    """Every field below a schema, depth first; Kubernetes' own types are named, not opened."""
    schema = _resolve(schema, root)
    for name, child in schema.get("properties", {}).items():
        resolved = _resolve(child, root)
        here = f"{path}.{name}" if path else name
        if name != "spec" or inner:
            yield _Field(here, resolved, name in schema.get("required", ()))
        yield from _below(resolved, root, here)


def _below(schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[_Field]:
    if schema.get("kubernetes"):
        return
    if schema.get("type") == "array":
        item = _resolve(schema["items"], root)
        if not item.get("kubernetes"):
            yield from _fields(item, root, f"{path}[]", True)
    else:
        yield from _fields(schema, root, path, path != "")


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The schema behind a reference, with what stands beside the reference; Kubernetes' types keep only their name."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    name = reference.removeprefix("#/definitions/")
    if name.startswith("io.k8s."):
        return {**{key: value for key, value in schema.items() if key != "$ref"}, "kubernetes": name.rpartition(".")[2]}
    return {**root["definitions"][name], **{key: value for key, value in schema.items() if key != "$ref"}}


def _type(schema: dict[str, Any]) -> str:
    if "kubernetes" in schema:
        return str(schema["kubernetes"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "")
    if kind == "array":
        item = schema.get("items", {})
        reference = item.get("$ref", "")
        plain = {"string": "string"}.get(str(item.get("type")), "map")
        plain = "string or map" if isinstance(item.get("type"), list) else plain
        return f"list of {reference.rpartition('.')[2] if 'io.k8s.' in reference else plain}"
    if kind == "object":
        return "map of string" if schema.get("additionalProperties") else "map"
    return str(kind)


_RULES = """\
# The rules

Generated from the docstrings of `policy/rules/` by `make docs`; do not edit. `kmodgate rules ID` prints the same.

A rule has a severity, which says how bad a finding is, and a profile gives it a mode, which says what is done about it:
`enforce` refuses, `warn` tells, `audit` records. In the profile `default` an error is enforced, a warning warns and an
info is recorded; `strict` enforces warnings too; `parity` runs what the API server and KMM refuse, and nothing else.
Errors in specs, references and the tree, which are found before an object exists, are in [errors.md](errors.md).
"""


_GAPS = {
    "key and certificate that are no pair, where neither Secret has the annotation `kmodgate.io/key-fingerprint`; a "
    "private key that is not PEM": "a private key is never read, not even where a dump has it",
    "the type of a Secret for signing": "KMM mounts a Secret of any type, and reads the key `key` or `cert` (SGN301)",
    "a module file that is not in the image, that a pattern of filesToSign misses, or that is built for another "
    "kernel": "only the image tells, and the check opens none",
    "the order of inTreeModulesToRemove": "which module needs which is told by the kernel's own modules.dep alone",
    "an image that is deleted from its registry while a Module needs it": "the check asks no registry",
    "an init container that expects the mounts that KMM gives the main one": "what it expects is not to be seen",
    "a device plugin without a token of its own while automounting is off": "whether it needs one is not to be seen",
    "a ServiceAccount that not every Module of a namespace should use": "a namespace is the border that Kubernetes "
    "knows: whoever may make a Module there may have pods run as any of its ServiceAccounts",
    "`kanikoParams.tag` with the port of a registry": "it is put on an image that is a setting of the operator, which "
    "no object of a Module shows",
    "a driver that comes to all nodes of a cluster at once": "the share of nodes is limited "
    "(`parameters.maxNodeShare`, SEL206); which of them come first is said by their labels, over time",
    "a Module that is deleted while pods use its device": "which pods do is known on each node alone; KMM's worker "
    "pod fails there, and tries again",
    "Modules made before an upgrade of KMM that break newer rules": "no event tells of the upgrade; "
    "`kubectl get modules -A -o yaml \\| kmodgate check -` finds them before it",
}
"""What KMM leaves open as well, and why no rule says it."""


def _not_done() -> str:
    rows = "".join(f"| {gap} | {why} |\n" for gap, why in _GAPS.items())
    return f"## Not done\n\n| gap of KMM that no rule closes | why |\n| --- | --- |\n{rows}"


_KATA = """\
## What cannot be put into Kata

The codes of KTA101 to KTA103, which admission also writes to the audit log.

| code | why | what to do |
| --- | --- | --- |
"""


def _not_injectable() -> str:
    return _KATA + "".join(f"| `{code}` | {text.meaning} | {text.remedy} |\n" for code, text in NOT_INJECTABLE.items())


def _retired() -> str:
    rows = "".join(f"| {id} | {text} |\n" for id, text in RETIRED.items())
    head = "## Rules that are gone\n\nNo other rule gets their ids; a policy that names one stays valid.\n\n"
    return f"{head}| id | what it found, and what became of it |\n| --- | --- |\n{rows}"


def rules_page() -> str:
    """docs/rules.md: the page of every rule."""
    load_rules()
    parts = [_RULES]
    for id, rule in sorted(RULES.items()):
        facts = [f"severity {rule.severity}", f"for {', '.join(rule.kinds)}"]
        if rule.since[0]:
            facts.append(f"since KMM {_releases(rule.since[0])}, Red Hat {_releases(rule.since[1])}")
        if "CREATE" not in rule.operations:
            facts.append("compares with the object as it was")
        parts.append(f"## {id}\n\n{'; '.join(facts)}\n\n{rule.documentation}\n{examples(id)}")
    return "\n".join([*parts, _retired(), _not_injectable(), *node_access_page.sections(), _not_done()])


def _releases(first: First) -> str:
    return first if isinstance(first, str) else ", ".join(release for _, release in first)


def main(arguments: list[str]) -> int:
    pages = {
        "spec": spec_page,
        "rules": rules_page,
        "errors": errors_page,
        "webhook": webhook_page,
        "check": check_page,
        "commands": commands_page,
    }
    for name, text in ((f"{name}.md", page()) for name, page in pages.items()):
        page = _DOCS / name
        if "--check" not in arguments:
            page.write_text(text, encoding="utf-8", newline="\n")
        elif not page.is_file() or page.read_text(encoding="utf-8") != text:
            print(f"{name} lags behind its source; run: make docs", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

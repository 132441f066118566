"""Files with `ims-config`, and the lists of recipes and CFS configurations that the command `cray` prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any, NoReturn

from kmodgate.policy.cluster.ims_site import is_unresolved
from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import Finding
from kmodgate.policy.formats.object_files import Source
from kmodgate.policy.ims.cfs_layers import FLAG_FIELDS
from kmodgate.policy.ims.given_records import CONFIGURATIONS, RECIPES, SERVICES, content, kind_of, wrapped
from kmodgate.policy.ims.settings import CONFIG_MAP, OVERLAY
from kmodgate.renderer.check.inputs.object_inputs import read_objects
from kmodgate.renderer.errors import Refused, Unusable, refuse_enforced
from kmodgate.renderer.wording import listed


@dataclass(frozen=True, slots=True)
class GivenConfig:
    """The texts of `ims-config`, with those of our own ConfigMap over them; `note` is "" where nothing is odd.

    `unknown` are the keys whose text is an expression of the site; in an object of the cluster it is only a text.
    """

    texts: dict[str, str]
    note: str = ""
    own: dict[str, str] = field(default_factory=dict)
    """The texts of our own ConfigMap, which no chart writes."""
    unknown: tuple[str, ...] = ()
    templates: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    """The job templates in the file: name of the ConfigMap, key and text."""

    def templates_with(self, placeholder: str) -> Iterator[tuple[str, str]]:
        """Yield name and key of the templates that have a placeholder."""
        pattern = re.compile(rf"\$(?:{placeholder}\b|{{{placeholder}}})")
        return ((name, key) for name, key, text in self.templates if pattern.search(text))


def read_config(path: str) -> GivenConfig:
    """Return `ims-config` of a file: a ConfigMap, a List or plain data. Of several the one in `services` counts.

    :raises Refused: the file cannot be used, has no such ConfigMap, or several
    """
    sources = _read(path)
    configs = [source for source in sources if source.value["kind"] == "ConfigMap"]
    named = [source for source in configs if _name(source) == CONFIG_MAP]
    named = [source for source in named if _metadata(source, "namespace") == SERVICES] or named
    if len(named) != 1:
        what = f"no ConfigMap {CONFIG_MAP}" if not named else f"{len(named)} ConfigMaps {CONFIG_MAP}"
        _refuse_file(path, named or sources, what, f"kubectl -n {SERVICES} get configmap {CONFIG_MAP} -o yaml")
    namespace = _metadata(named[0], "namespace")
    is_usual = namespace in ("", SERVICES)
    note = f"it is in namespace {namespace}, and the service of CSM reads the one in {SERVICES}"
    texts = _texts(named[0], path)
    own: dict[str, str] = {}
    unknown = {key for key, text in texts.items() if is_unresolved(named[0].value, text)}
    for source in configs:
        if _name(source) == OVERLAY:
            found = _texts(source, path)
            unknown -= found.keys()
            unknown |= {key for key, text in found.items() if is_unresolved(source.value, text)}
            own |= found
    in_order = tuple(key for key in texts | own if key in unknown)
    return GivenConfig(texts | own, "" if is_usual else note, own, in_order, tuple(_templates(configs)))


def _refuse_file(path: str, sources: list[Source], what: str, fix: str) -> NoReturn:
    """Refuse a file for what it holds, and say what that is."""
    places = (f"{content(source.value)} (line {source.position(())[0]})" for source in sources)
    message = f"{what}; it holds {listed(list(places)) if sources else 'nothing'}"
    line, column = sources[0].position(()) if sources else (1, 1)
    raise Refused([Finding("SCH102", message, fix, file=path, line=line, column=column)], outcome="nothing was decided")


def _templates(configs: list[Source]) -> Iterator[tuple[str, str, str]]:
    for source in configs:
        data = source.value.get("data")
        for key, text in data.items() if isinstance(data, dict) else ():
            if str(key).endswith(".yaml.template") and isinstance(text, str):
                yield _name(source), key, text


def _texts(source: Source, path: str) -> dict[str, str]:
    data = source.value.get("data")
    if data is None:
        return {}
    if not isinstance(data, dict):
        _refuse(source, path, ("data",), "is no map of texts", 'write KEY: "text" below data')
    for key, text in data.items():
        # The API server stores null as an empty text.
        if not isinstance(text, str | None):
            said = "" if isinstance(text, list | dict) else str(text).lower() if isinstance(text, bool) else str(text)
            fix = f'put it in quotes: {key}: "{said}"' if said else "write a text in quotes"
            _refuse(source, path, ("data", key), "is no text, and a ConfigMap holds texts only", fix)
    return {key: text or "" for key, text in data.items()}


def _refuse(source: Source, path: str, field: tuple[str | int, ...], message: str, fix: str) -> NoReturn:
    line, column = source.position(field)
    finding = Finding("SCH102", message, fix, field=".".join(map(str, field)), file=path, line=line, column=column)
    raise Refused([finding], outcome="nothing was decided")


def _name(source: Source) -> str:
    return _metadata(source, "name")


def _metadata(source: Source, field: str) -> str:
    metadata = source.value.get("metadata")
    return str(metadata.get(field) or "") if isinstance(metadata, dict) else ""


def _read(path: str) -> list[Source]:
    findings: list[Finding] = []
    sources = list(read_objects(path, findings, others=wrapped))
    refuse_enforced(findings, outcome="nothing was decided")
    return sources


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe of a list; `require_dkms` is None where the list does not say, as in CSM 1.4."""

    id: str
    name: str
    arch: str
    type: str
    require_dkms: bool | None


def read_recipes(path: str) -> list[Recipe]:
    """Return the recipes of `cray ims recipes list --format json`.

    :raises Refused: the file is no such list
    """
    records = _records(path, RECIPES, "recipes", "cray ims recipes list --format json", _wrong_recipe)
    return [
        Recipe(
            str(record.get("id") or ""),
            record["name"],
            str(record.get("arch") or "x86_64"),
            str(record.get("recipe_type") or "kiwi-ng"),
            record.get("require_dkms"),
        )
        for record in records
    ]


def _wrong_recipe(record: dict[str, Any]) -> str:
    if not isinstance(record.get("name"), str):
        return "name is no text"
    return "" if isinstance(record.get("require_dkms"), bool | None) else "require_dkms is no boolean"


@dataclass(frozen=True, slots=True)
class CfsConfiguration:
    """A CFS configuration: the names of its layers whose flag is true, and of those whose flag is false."""

    name: str
    needs_dkms: tuple[str, ...]
    without_dkms: tuple[str, ...]

    @property
    def request(self) -> bool | None:
        """What CFS sends as `require_dkms`: true for any layer, and else nothing."""
        return True if self.needs_dkms else None


def read_cfs(path: str) -> list[CfsConfiguration]:
    """Return the configurations of `cray cfs configurations describe NAME --format json`, or of a list of them.

    :raises Refused: the file is no such configuration, or an empty list
    """
    command = "cray cfs configurations describe NAME --format json"
    records = _records(path, CONFIGURATIONS, "configurations", command, _wrong_configuration)
    if not records:
        raise Unusable(f"{path}: holds no configuration", f"write it again: {command}")
    return [_configuration(record, path) for record in records]


def _configuration(record: dict[str, Any], path: str) -> CfsConfiguration:
    flags: dict[bool, list[str]] = {True: [], False: []}
    for number, layer in enumerate(record["layers"]):
        flag = _flag(layer)
        if flag is not None:
            flags[flag].append(str(layer.get("name") or f"layers[{number}]"))
    return CfsConfiguration(str(record.get("name") or path), tuple(flags[True]), tuple(flags[False]))


def _flag(layer: dict[str, Any]) -> Any:
    for outer, inner in reversed(FLAG_FIELDS.values()):  # v3 counts where a layer has both
        special = layer.get(outer)
        if isinstance(special, dict) and inner in special:
            return special[inner]
    return None


def _wrong_configuration(record: dict[str, Any]) -> str:
    layers = record.get("layers")
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return "layers is no list of objects"
    odd = [number for number, layer in enumerate(layers) if not isinstance(_flag(layer), bool | None)]
    return f"layers[{odd[0]}] has a DKMS flag that is no boolean" if odd else ""


def _records(
    path: str, kind: str, field: str, command: str, wrong: Callable[[dict[str, Any]], str]
) -> list[dict[str, Any]]:
    """Return the records of all lists of a kind in a file; an empty list does not say what it is a list of."""
    sources = _read(path)
    lists = [source for source in sources if kind_of(source.value) == kind]
    if not lists and not any(kind_of(source.value) == RECIPES and not source.value["recipes"] for source in sources):
        _refuse_file(path, sources, f"no list of {field}", f"write it again: {command}")
    findings: list[Finding] = []
    for source in lists:
        for index, record in enumerate(source.value[field]):
            what = wrong(record) if isinstance(record, dict) else "it is no object"
            if what:
                line, column = source.position((field, index))
                fix = f"write the list again: {command}"
                findings.append(Finding("SCH102", f"record {index}: {what}", fix, file=path, line=line, column=column))
    if findings:
        raise Refused(findings, outcome="nothing was compared")
    return [record for source in lists for record in source.value[field]]

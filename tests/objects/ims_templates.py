"""ConfigMaps with job templates, and files that hold them as kubectl and a chart write them."""

from __future__ import annotations

import json
from typing import Any

import yaml

from kmodgate.policy.ims.templates import HOLDERS
from kmodgate.policy.ims.versions import ImsRelease
from kmodgate.renderer.job_templates.config_maps import JobTemplateSettings, template_config_maps

SETTINGS = JobTemplateSettings(
    utils_image="registry.local/csm/ims-utils:2.21.0",
    sshd_image="registry.local/csm/ims-sshd:1.15.2",
    kiwi_builder_image="registry.local/csm/ims-kiwi:1.14.0",
    packer_builder_image="registry.local/csm/ims-packer:1.2.0",
)
KIWI, PACKER, CUSTOMIZE = range(3)


def config_maps(release: str = "3.33.0", settings: JobTemplateSettings = SETTINGS) -> list[dict[str, Any]]:
    """The ConfigMaps of a release in our own text: create jobs of kiwi-ng and packer, and customize jobs."""
    return template_config_maps(ImsRelease(release), settings)


def job_key(config_map: dict[str, Any]) -> str:
    return HOLDERS[config_map["metadata"]["name"]].key("job")


def with_job(config_map: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """A ConfigMap with another text in the template of its Job, which must be there."""
    key = job_key(config_map)
    text = config_map["data"][key]
    assert old in text
    return {**config_map, "data": {**config_map["data"], key: text.replace(old, new, 1)}}


def as_blocks(config_map: dict[str, Any]) -> str:
    """A ConfigMap as kubectl writes it: each text a literal block."""
    lines = ["apiVersion: v1", "data:"]
    for key, text in config_map["data"].items():
        lines.append(f"  {key}: |")
        lines += [f"    {line}" if line else "" for line in text.rstrip("\n").split("\n")]
    lines += ["kind: ConfigMap", "metadata:", *(f"  {key}: {value}" for key, value in config_map["metadata"].items())]
    return "\n".join(lines) + "\n"


def as_list(config_map: dict[str, Any]) -> str:
    """A List as kubectl writes it in YAML, each text a literal block."""
    first, *rest = as_blocks(config_map).rstrip("\n").split("\n")
    lines = [f"- {first}", *(f"  {line}" if line else "" for line in rest)]
    return "\n".join(["apiVersion: v1", "items:", *lines, "kind: List", ""])


def as_quotes(config_map: dict[str, Any]) -> str:
    """A ConfigMap as kubectl writes it where a line ends with a space: each text in folded double quotes."""
    return yaml.safe_dump(config_map, default_style='"', width=80)


def as_json(config_map: dict[str, Any]) -> str:
    """A List as kubectl writes it in JSON."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [config_map]}, indent=4)


STYLES = [as_blocks, as_list, as_quotes, as_json]

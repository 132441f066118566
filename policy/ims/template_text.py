"""The text of a job template: its placeholders, and what stands there once IMS has filled them in.

IMS fills templates with `substitute` of Python's string.Template, which raises for a placeholder without a value and
for a dollar sign that begins none. In a chart Helm comes first, whose actions stand for text that nobody knows here.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import product
from string import Template
from typing import Literal, NamedTuple

import yaml

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.formats.yaml_documents import OBJECTS
from kmodgate.policy.ims.templates import HOLDERS
from kmodgate.policy.lazy import lazy_regex

_ACTION = "\ue000"
"""Stands for an action of Helm while others are replaced: a character that nobody writes."""

_ONLY_ACTIONS = lazy_regex(rf"^[ \t]*(?:{_ACTION}[ \t]*)+$", re.MULTILINE)
_STRAY = lazy_regex(r"\$[^\s\"'\],;]{0,20}")

_LONGEST_FILE = 1 << 20
"""Characters of a chart's file whose actions are replaced."""


class Placeholder(NamedTuple):
    """A place of a template that begins with a dollar sign; `name` is empty where no placeholder does.

    `line` counts from 1, and `shown` is what is written there.
    """

    name: str
    line: int
    shown: str


@dataclass(frozen=True, slots=True)
class State:
    """What a job is like as far as templates differ by it."""

    dkms: bool
    arch: Literal["x86_64", "aarch64"]
    remote: bool

    @property
    def runtime_class(self) -> str:
        """The class that IMS fills in; empty for a remote job and for one without DKMS."""
        return CLASS if self.dkms and not self.remote else ""


STATES = [State(*item) for item in product((True, False), ("x86_64", "aarch64"), (False, True))]  # type: ignore[arg-type]

CLASS = "kata-qemu"
ID = "5c2ad2a5-0c58-4a3b-9a3c-1fd5e0b8e5b0"
ACCOUNT = "ims-service-job-mount"


def placeholders(text: str) -> Iterator[Placeholder]:
    """Yield the placeholders of a text and the dollar signs that begin none; `$$` is neither."""
    breaks = [match.start() for match in re.finditer("\n", text)]
    for match in Template.pattern.finditer(text):
        name = match["named"] or match["braced"] or ""
        if match["escaped"] is None:
            stray = _STRAY.match(text, match.start())
            shown = match[0] if name or stray is None else stray[0]
            yield Placeholder(name, bisect_left(breaks, match.start()) + 1, shown)


def without_actions(text: str) -> str:
    """Return a text with a word in place of each of Helm's actions, and nothing where they have lines of their own.

    Every line keeps its number.
    """
    pieces, place = list[str](), 0
    while (start := text.find("{{", place)) >= 0 and (end := text.find("}}", start)) >= 0:
        pieces += (text[place:start], _ACTION, "\n" * text.count("\n", start, end))
        place = end + len("}}")
    return _ONLY_ACTIONS.sub("", "".join(pieces)).replace(_ACTION, "helm") + text[place:] if pieces else text


def readable_chart(text: str) -> str:
    """Return a file of a chart that holds job templates of IMS without Helm's actions; any other text as it is."""
    is_meant = len(text) <= _LONGEST_FILE and "{{" in text and any(name in text for name in HOLDERS)
    return without_actions(text) if is_meant else text


def dummy_values(state: State) -> dict[str, str]:
    """Return a value for each placeholder of any release, as IMS would fill it in for such a job."""
    capabilities = "SYS_ADMIN" if state.dkms else ""
    return {
        "address_pool": "customer-management",
        "download_md5sum": "0123456789abcdef0123456789abcdef",
        "download_url": "https://rgw-vip.example.com/ims/recipes/a.tgz?AWSAccessKeyId=A&Signature=b%2Bc%3D&Expires=1",
        "enable_debug": "False",
        "hostname": f"{ID}.ims.cmn.example.com",
        "id": ID,
        "image_root_archive_name": "compute-image",
        "initrd_filename": "initrd",
        "job_arch": state.arch,
        "job_enable_dkms": str(state.dkms),
        "job_mem_limit": "40Gi",
        "job_mem_size": "8Gi",
        "kernel_filename": "Image" if state.arch == "aarch64" else "vmlinuz",
        "kernel_parameters_filename": "kernel-parameters",
        "limit_gb": "180Gi",
        "namespace": "ims",
        "public_key": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 root@ncn-m001",
        "pvc_gb": "300Gi",
        "pvc_size": "300Gi",
        "recipe_type": "kiwi-ng",
        "remote_build_node": "x3000c0s19b3n0" if state.remote else "",
        "remote_heartbeat_timeout_count": "12",
        "runtime_class": state.runtime_class,
        "s3_bucket": "boot-images",
        "security_capabilites": capabilities,
        "security_capabilities": capabilities,
        "security_privilege": str(state.dkms).lower(),
        "service_account": ACCOUNT if state.dkms else "",
        "size_gb": "60Gi",
        "ssh_jail": "True",
        "template_dictionary": '{"PRODUCT_VERSION": "1.2.3"}',
    }


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text as IMS fills it in; what would stop IMS stays as it is, or gets a word in its place."""
    missing = {item.name: "unknown" for item in placeholders(text) if item.name and item.name not in values}
    return Template(text).safe_substitute({**missing, **values})


def plain_scalars(text: str) -> Iterator[Placeholder]:
    """Yield the placeholders in scalars without quotes, as far as a template is YAML before it is filled in."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > OBJECTS.max_depth:
                return  # every further level takes longer; the proof tells of it
            if isinstance(event, yaml.ScalarEvent) and not event.style and (mark := event.start_mark):
                for item in placeholders(event.value):
                    yield item._replace(line=mark.line + 1)
    except (yaml.YAMLError, UnicodeEncodeError):
        return  # which the proof tells of

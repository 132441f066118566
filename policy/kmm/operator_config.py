"""The configuration of KMM's operator, by release and flavour: the keys that it knows, and their values.

The operator decodes it strictly: with one key that it does not know the manager drops the whole file, and the webhook
server ends. Source: internal/config/config.go of kubernetes-sigs/kernel-module-management and of
rh-ecosystem-edge/kernel-module-management.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.versions import Release

CONFIG_MAPS = ("kmm-operator-manager-config", "kmm-operator-hub-manager-config")
"""The ConfigMaps of the operator and of the hub's."""

KEY = "controller_config.yaml"

_DURATION = re.compile(r"[-+]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]*\]|[^\s:\[\]]*):([0-9]{1,5})")

_MOST_PORT = 65535


def _is_text(value: Any) -> str:
    return "" if isinstance(value, str) else "a text, between quotes"


def _is_flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _is_number(value: Any) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "a number"


def _is_duration(value: Any) -> str:
    return "" if isinstance(value, str) and _DURATION.fullmatch(value) else "a duration of Go, such as 1h30m"


def _is_port(value: Any) -> str:
    return "" if not _is_number(value) and 0 < value <= _MOST_PORT else f"a port, from 1 to {_MOST_PORT}"


def _is_address(value: Any) -> str:
    if value == "0":
        return ""  # which switches the server off
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    return "" if match and int(match[1]) <= _MOST_PORT else 'an address with a port, such as :8081, or "0"'


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: what its value must be, the flavours that know it, and the line of KMM that first lacked it."""

    expected: Callable[[Any], str]
    flavours: tuple[str, ...] = ("upstream", "redhat")
    until: str = ""
    instead: str = ""


SETTINGS = {
    ("healthProbeBindAddress",): Setting(_is_address),
    ("job", "gcDelay"): Setting(_is_duration),
    ("leaderElection", "enabled"): Setting(_is_flag),
    ("leaderElection", "resourceID"): Setting(_is_text),
    ("metrics", "bindAddress"): Setting(_is_address),
    ("metrics", "disableHTTP2"): Setting(_is_flag, ("redhat",)),
    ("metrics", "enableAuthnAuthz"): Setting(_is_flag),
    ("metrics", "secureServing"): Setting(_is_flag),
    ("webhook", "disableHTTP2"): Setting(_is_flag, ("redhat",)),
    ("webhook", "port"): Setting(_is_port, ("redhat",), instead="webhookPort"),
    ("webhookPort",): Setting(_is_port, ("upstream",), instead="webhook.port"),
    ("worker", "firmwareHostPath"): Setting(_is_text),
    ("worker", "runAsUser"): Setting(_is_number),
    ("worker", "seLinuxType"): Setting(_is_text),
    ("worker", "setFirmwareClassPath"): Setting(_is_text, until="2.2", instead="worker.firmwareHostPath"),
}
_SECTIONS = {path[:1] for path in SETTINGS if len(path) > 1}


def unknown_keys(config: Any, release: Release, *, any_flavour: bool = False) -> Iterator[tuple[FieldPath, str]]:
    """Yield the keys that a release does not know, each with what to do; `any_flavour` where nobody says which."""
    flavour = "redhat" if release.redhat else "upstream"
    for path, _ in _leaves(config):
        setting = SETTINGS.get(path)
        if setting is None:
            yield path, "remove it, or correct the spelling: " + ", ".join(".".join(key) for key in _near(path))
        elif setting.until and release.has(setting.until):
            yield path, f"KMM {setting.until} dropped it: use {setting.instead}"
        elif flavour not in setting.flavours and not any_flavour:
            yield path, f"use {setting.instead}" if setting.instead else "remove it: only Red Hat's KMM knows it"


def wrong_values(config: Any) -> Iterator[tuple[FieldPath, str]]:
    """Yield the values of known keys that are of another form, each with what is expected."""
    for path, value in _leaves(config):
        if (setting := SETTINGS.get(path)) is not None and (expected := setting.expected(value)):
            yield path, expected


def _leaves(config: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The keys of a configuration with their values, those of a section one by one."""
    for name, value in config.items() if isinstance(config, dict) else ():
        if (name,) in _SECTIONS and isinstance(value, dict):
            yield from (((name, key), item) for key, item in value.items())
        elif (name,) not in _SECTIONS or value is not None:
            yield (name,), value


def _near(path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The keys of the same section, or all outside of sections."""
    return [key for key in SETTINGS if key[:-1] == path[:-1] and not SETTINGS[key].until] or list(SETTINGS)[:3]

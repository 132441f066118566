"""The configuration of KMM's operator, by release and flavour: the keys that it knows, and their values.

From 2.4 on the operator decodes it strictly: with one key that it does not know the manager drops the whole file, and
the webhook server ends. Earlier releases pass over such a key. Source: internal/config/config.go and config/manager/
at the tags and release branches of kubernetes-sigs/kernel-module-management and
rh-ecosystem-edge/kernel-module-management.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.findings import FieldPath
from kmodgate.policy.kmm.versions import Release
from kmodgate.policy.lazy import lazy_regex

CONFIG_MAPS = ("kmm-operator-manager-config", "kmm-operator-hub-manager-config")
"""The ConfigMaps of the operator and of the hub's."""

KEY = "controller_config.yaml"
OLD_KEY = "controller_manager_config.yaml"
"""The key of the ConfigMap, and the one that KMM 1.1 reads."""

_DURATION = lazy_regex(r"[-+]?(?:0|(?:(?:[0-9]++(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
_ADDRESS = lazy_regex(r"(?:\[[0-9A-Fa-f:.]*\]|[^\s:\[\]]*):([0-9]{1,5})")

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
    """One key: what its value must be, and the lines of KMM that know it, by flavour.

    A span is the first line that has the key and the first one that has it no more, `""` where there is none.
    """

    expected: Callable[[Any], str]
    upstream: tuple[str, str] | None = ("1.1", "")
    redhat: tuple[str, str] | None = ("2.0", "")
    instead: tuple[str, ...] = ()

    def spans(self, *, redhat: bool, any_flavour: bool) -> list[tuple[str, str]]:
        """The spans that count; with `any_flavour` those of both."""
        spans = (self.redhat if redhat else self.upstream, self.upstream, self.redhat)
        return [span for span in spans[: 3 if any_flavour else 1] if span]


_SINCE_2_0, _SINCE_2_1 = ("2.0", ""), ("2.1", "")

SETTINGS = {
    ("healthProbeBindAddress",): Setting(_is_address),
    ("job", "gcDelay"): Setting(_is_duration, _SINCE_2_1, _SINCE_2_1),
    ("leaderElection", "enabled"): Setting(_is_flag),
    ("leaderElection", "resourceID"): Setting(_is_text),
    ("metrics", "bindAddress"): Setting(_is_address, _SINCE_2_0, _SINCE_2_1, ("metricsBindAddress",)),
    ("metrics", "disableHTTP2"): Setting(_is_flag, None, _SINCE_2_1),
    ("metrics", "enableAuthnAuthz"): Setting(_is_flag, _SINCE_2_0, _SINCE_2_1),
    ("metrics", "secureServing"): Setting(_is_flag, _SINCE_2_0, _SINCE_2_1),
    ("metricsBindAddress",): Setting(_is_address, ("1.1", "2.0"), ("2.0", "2.1"), ("metrics", "bindAddress")),
    ("webhook", "disableHTTP2"): Setting(_is_flag, None),
    ("webhook", "port"): Setting(_is_port, None, instead=("webhookPort",)),
    ("webhookPort",): Setting(_is_port, redhat=None, instead=("webhook", "port")),
    ("worker", "firmwareHostPath"): Setting(
        _is_text, ("2.2", ""), ("2.2", ""), instead=("worker", "setFirmwareClassPath")
    ),
    ("worker", "runAsUser"): Setting(_is_number, _SINCE_2_0, _SINCE_2_0),
    ("worker", "seLinuxType"): Setting(_is_text, _SINCE_2_0, _SINCE_2_0),
    ("worker", "setFirmwareClassPath"): Setting(
        _is_text, ("2.0", "2.2"), ("2.0", "2.2"), instead=("worker", "firmwareHostPath")
    ),
}
_SECTIONS = {path[:1] for path in SETTINGS if len(path) > 1}
_STRICT_SINCE = "2.4"


def key_in_config_map(release: Release) -> str:
    """The key of the ConfigMap that a release reads."""
    return KEY if release.has("2.0") else OLD_KEY


def is_strict(release: Release) -> bool:
    """Whether a key that the release does not know costs the whole file; otherwise the key alone has no effect."""
    return release.has(_STRICT_SINCE)


def unknown_keys(config: Any, release: Release, *, any_flavour: bool = False) -> Iterator[tuple[FieldPath, str]]:
    """Yield the keys that a release does not know, each with what to do; `any_flavour` where nobody says which.

    Red Hat's 1.1 reads a file of another kind, controller-runtime's ControllerManagerConfig; nothing is said of it.
    """
    if release.redhat and not release.has("2.0"):
        return
    for path, _ in _leaves(config):
        setting = SETTINGS.get(path)
        if setting is None:
            yield path, _correction(path, release)
        elif not _is_known(setting, release, any_flavour=any_flavour):
            yield path, _replacement(setting, release)


def _is_known(setting: Setting, release: Release, *, any_flavour: bool = False) -> bool:
    spans = setting.spans(redhat=release.redhat, any_flavour=any_flavour)
    return any(release.has(first) and not (until and release.has(until)) for first, until in spans)


def _correction(path: tuple[str, ...], release: Release) -> str:
    """What to do about a key that no release knows."""
    known = [key for key, setting in SETTINGS.items() if _is_known(setting, release)]
    beside = [key[-1] for key in known if key[:-1] == path[:-1]]
    sections = [] if path[1:] else list(dict.fromkeys(key[0] for key in known if key[1:]))
    names = {name.lower(): name for name in (*beside, *sections)}
    if close := get_close_matches(path[-1].lower(), names, n=1):
        return f"did you mean {'.'.join((*path[:-1], names[close[0]]))}?"
    return f"remove it; known here: {', '.join(names.values())}"


def _replacement(setting: Setting, release: Release) -> str:
    """What to do about a key of other releases: the one of this release that means the same, if there is one."""
    if setting.instead and _is_known(SETTINGS[setting.instead], release):
        return f"use {'.'.join(setting.instead)}, which {release} knows in its place"
    span = setting.redhat if release.redhat else setting.upstream
    if span is None:
        owner = "upstream's" if release.redhat else "Red Hat's"
        return f"remove it: only {owner} KMM knows it"
    first, until = span
    dropped = until and release.has(until)
    return f"remove it: KMM {until} dropped it" if dropped else f"remove it: KMM {first} brought it"


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

"""The flags of `kmodgate-webhook serve`; each is an environment variable, too: `--tls-cert` is KMODGATE_TLS_CERT."""

from __future__ import annotations

import os
import re
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version as version_of
from typing import Any, NamedTuple, NoReturn

from kmodgate.policy.config import PLATFORMS, PROFILES
from kmodgate.policy.kmm.versions import REDHAT, UPSTREAM, Release
from kmodgate.webhook.http.limits import MIB, Limits

PREFIX = "KMODGATE_"

_SWITCH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LISTS = ("certificate_name", "client_name")


class Address(NamedTuple):
    """Where to listen; no host is every address of both families."""

    host: str | None
    port: int


def address(text: str) -> Address:
    """`HOST:PORT`, `:PORT` or `[::1]:PORT`. Raises ArgumentTypeError."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ArgumentTypeError(f"{text!r} is no address; write it like 0.0.0.0:9443, or :9443 for all")
    return Address(host.strip("[]") or None, int(port))


def positive(text: str) -> int:
    """A whole number above zero. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds, zero included. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 3600:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return value


def version(text: str) -> str:
    """A version of Kubernetes as `1.34`, whatever stands after it; nothing stays nothing. Raises ArgumentTypeError."""
    if not text:
        return ""
    if not (found := re.fullmatch(r"v?([0-9]+\.[0-9]+)(?:[.+-].*)?", text)):
        raise ArgumentTypeError(f"{text!r} is no version of Kubernetes; write it like 1.34")
    return found[1]


class _Parser(ArgumentParser):
    """One line for a mistake: the usage of a server with this many flags would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"kmodgate-webhook: {message}; see kmodgate-webhook serve --help\n")


class _Version(Action):
    def __call__(self, parser: ArgumentParser, *_: object) -> None:
        print(f"kmodgate-webhook {version_of('kmodgate')}")
        parser.exit()


def parsers() -> tuple[ArgumentParser, ArgumentParser]:
    """The command line of the program, and that of `serve`."""
    top = _Parser(
        prog="kmodgate-webhook",
        description="The admission webhook of kmodgate: the policy, where the API server asks.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, dest=SUPPRESS, help="print the version")
    serve = top.add_subparsers(dest="verb", metavar="COMMAND", required=True).add_parser(
        "serve",
        help="answer reviews until SIGTERM",
        allow_abbrev=False,
        description="Answers admission reviews until SIGTERM. Each flag is an environment variable, too: --tls-cert is"
        " KMODGATE_TLS_CERT; lists are separated by commas there.",
    )
    add = serve.add_argument
    add("--listen", type=address, default=":9443", metavar="HOST:PORT", help="where reviews come, over TLS (:9443)")
    add(
        "--ops-listen", type=address, default=":8080", metavar="HOST:PORT",
        help="where /healthz, /readyz and /metrics are, in plain (:8080)",
    )  # fmt: skip
    _add_certificate(serve)
    _add_policy(serve)
    _add_limits(serve)
    return top, serve


def _add_certificate(serve: ArgumentParser) -> None:
    add = serve.add_argument_group("certificate", "from files that are followed, or kept in a Secret").add_argument
    add("--tls-cert", metavar="FILE", help="certificate chain (PEM)")
    add("--tls-key", metavar="FILE", help="its private key (PEM)")
    add("--certificate-secret", metavar="NAMESPACE/NAME", help="make and rotate CA and certificate in this Secret")
    add("--certificate-name", action="append", default=[], metavar="DNS", help="DNS name to make it for; repeatable")
    add(
        "--validating-configuration", default="kmodgate", metavar="NAME",
        help="ValidatingWebhookConfiguration whose caBundle is kept (kmodgate)",
    )  # fmt: skip
    add(
        "--mutating-configuration", default="kmodgate", metavar="NAME",
        help="MutatingWebhookConfiguration whose caBundle is kept (kmodgate)",
    )  # fmt: skip
    add(
        "--client-auth", choices=("off", "request", "require"), default="off",
        help="whether callers must show a certificate (off)",
    )  # fmt: skip
    add("--client-ca", metavar="FILE", help="CAs of the callers' certificates (PEM)")
    add("--client-name", action="append", default=[], metavar="NAME", help="caller that is let in; repeatable")


def _add_policy(serve: ArgumentParser) -> None:
    add = serve.add_argument_group("policy and cluster").add_argument
    add("--policy", metavar="FILE", help="DriverPolicy, as the ConfigMap kmodgate-policy holds it; it is followed")
    add("--profile", choices=tuple(PROFILES), help="profile instead of the policy's (default: the policy's)")
    add("--kubeconfig", metavar="FILE", help="API server to ask, by a kubeconfig")
    add("--in-cluster", action="store_true", help="API server to ask, by the ServiceAccount of the pod")
    add("--facts", metavar="PATH", help="no API server: a dump of a cluster, as kubectl get -A -o yaml writes it")
    add(
        "--kmm", choices=tuple(dict.fromkeys((*UPSTREAM, *REDHAT))), default="", metavar="VERSION",
        help="version of KMM on the cluster (the newest)",
    )  # fmt: skip
    add(
        "--kmm-flavour", choices=("upstream", "redhat"), default="upstream",
        help="whose build of KMM it is; their versions are numbered apart (upstream)",
    )  # fmt: skip
    add(
        "--platform", choices=sorted(PLATFORMS), default="kubernetes",
        help="openshift: the platform's own accounts may load modules (kubernetes)",
    )  # fmt: skip
    add(
        "--kubernetes", type=version, default="", metavar="VERSION",
        help="version of the API server, like 1.34 (it is asked)",
    )  # fmt: skip
    add(
        "--topology", choices=("ha", "compact", "sno", "hosted", "microshift"), default="ha",
        help="compact and sno: the workers are the control plane (ha)",
    )  # fmt: skip


def _add_limits(serve: ArgumentParser) -> None:
    limits = Limits()
    add = serve.add_argument_group("limits").add_argument
    number: dict[str, Any] = {"type": positive, "metavar": "N"}
    add("--max-requests", default=limits.requests, help=f"reviews at once ({limits.requests})", **number)
    mib = limits.bytes // MIB
    add("--max-megabytes", default=mib, help=f"MiB of reviews at once ({mib})", **number)
    add("--max-connections", default=512, help="connections at once (512)", **number)
    add(
        "--drain", type=seconds, default=5.0, metavar="SECONDS",
        help="how long to go on listening after SIGTERM, while endpoints are taken out (5)",
    )  # fmt: skip
    add("--grace", type=seconds, default=30.0, metavar="SECONDS", help="how long replies may take after that (30)")
    add("--audit-log", default="-", metavar="FILE", help="where each decision is logged; - is stdout, none is nowhere")


_ALTERNATIVES: Sequence[Sequence[Sequence[str]]] = (
    (("kubeconfig",), ("in_cluster",), ("facts",)),
    (("tls_cert", "tls_key"), ("certificate_secret",)),
)
"""Settings of which one excludes the others: a flag puts aside the variables of those, too."""


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Namespace:
    """The settings: flags, else environment, else defaults. Ends the process with code 2 for those that are none."""
    top, serve = parsers()
    actions = {action.dest: action for action in serve._actions if action.dest != "help"}
    usual = {name: action.default for name, action in actions.items()}
    for action in actions.values():
        action.default = SUPPRESS
    settings = top.parse_args(arguments)
    aside = _put_aside(vars(settings))
    for name, action in actions.items():
        if name not in settings:
            text = None if name in aside else environment.get(_variable(name))
            setattr(settings, name, _usual(action, usual[name]) if text is None else _value(serve, action, text))
    if message := _contradiction(settings) or _odd_release(settings):
        serve.error(message)
    return settings


def _put_aside(given: Collection[str]) -> set[str]:
    """The settings whose variables count for nothing beside the flags that were given."""
    return {
        name
        for group in _ALTERNATIVES
        if any(flag in given for names in group for flag in names)
        for names in group
        if not any(flag in given for flag in names)
        for name in names
    }


def _usual(action: Action, default: Any) -> Any:
    return action.type(default) if callable(action.type) and isinstance(default, str) and default else default


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _value(verb: ArgumentParser, action: Action, text: str) -> object:
    """What a variable says, judged as the flag's text would be."""
    variable = _variable(action.dest)
    if action.nargs == 0:
        if text.lower() not in _SWITCH:
            verb.error(f"{variable}={text}: choose from {', '.join(_SWITCH)}")
        return _SWITCH[text.lower()]
    if action.dest in _LISTS:
        return [item.strip() for item in text.split(",") if item.strip()]
    if action.choices is not None and text not in action.choices:
        verb.error(f"{variable}={text}: choose from {', '.join(map(str, action.choices))}")
    if callable(action.type):
        try:
            return action.type(text)
        except ArgumentTypeError as error:
            verb.error(f"{variable}: {error}")
    return text


def _odd_release(settings: Namespace) -> str:
    release = Release(settings.kmm, settings.kmm_flavour == "redhat")
    return "" if release.is_known else f"there is no {release}; --kmm and --kmm-flavour go together"


def _contradiction(settings: Namespace) -> str:
    """What is wrong with the settings as a whole."""
    sources = [name for name in ("kubeconfig", "in_cluster", "facts") if getattr(settings, name)]
    if len(sources) != 1:
        return "give exactly one of --in-cluster, --kubeconfig FILE and --facts PATH"
    if bool(settings.tls_cert) != bool(settings.tls_key):
        return "--tls-cert and --tls-key go together"
    if bool(settings.tls_cert) == bool(settings.certificate_secret):
        return "give either --tls-cert with --tls-key, or --certificate-secret"
    if settings.certificate_secret and (settings.facts or not settings.certificate_name):
        return "--certificate-secret needs an API server, and --certificate-name"
    if settings.certificate_secret and settings.certificate_secret.count("/") != 1:
        return "--certificate-secret is written NAMESPACE/NAME"
    if settings.client_auth != "off" and not (settings.client_ca and settings.client_name):
        return "--client-auth needs --client-ca and --client-name"
    if settings.client_auth == "off" and (settings.client_ca or settings.client_name):
        return "--client-ca and --client-name need --client-auth request, or require"
    return ""

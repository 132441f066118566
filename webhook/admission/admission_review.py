"""AdmissionReview v1: bytes → what is asked, answer → bytes.

Source: admission.k8s.io/v1 of Kubernetes, and kubernetes/apiserver `pkg/admission/plugin/webhook`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from kmodgate.policy.cluster.facts import as_map, metadata_of
from kmodgate.policy.lazy import lazy
from kmodgate.policy.review import Operation
from kmodgate.webhook.admission.requested_kinds import is_pair
from kmodgate.webhook.cluster.questions import UserInfo

_API_VERSION = "admission.k8s.io/v1"
_WHOLE = ("", "status", "finalize", "ephemeralcontainers")
"""Subresources that take the object of the resource itself, and not one of another kind like Scale or Eviction."""

_MAP_OR_NOTHING = (dict, type(None))
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")

Object = dict[str, Any]


class Unreadable(Exception):
    """A body that is no review of this version; `uid` is that of its request, if it can be told."""

    def __init__(self, message: str, uid: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.uid = uid


@dataclass
class Request:
    """What the API server asks: which object, before and after, by whom.

    `kind` is a pair of group and kind; `object` is None on DELETE and CONNECT, `old` on CREATE and CONNECT. The name is
    empty where it is generated, and for each object of a collection that is deleted.
    """

    uid: str
    operation: Operation
    group: str
    version: str
    kind: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str
    groups: tuple[str, ...]
    dry_run: bool
    object: Object | None = field(repr=False)
    old: Object | None = field(repr=False)
    user_info: Mapping[str, Any] = field(repr=False)
    """All that is told of the user, as it came."""
    may_hold_null: bool = True
    """Whether a null may stand somewhere in the object or the old one."""

    @property
    def requester(self) -> UserInfo:
        """Who asks, as authorizers are to be told."""
        extra = as_map(self.user_info.get("extra"))
        return UserInfo(
            self.user, self.groups, _text(self.user_info, "uid"), {key: _texts(item) for key, item in extra.items()}
        )

    @lazy
    def subject(self) -> Object:
        """The object that is judged, with what the review alone knows of it: on DELETE it is the one that goes."""
        found = self.old if self.operation == "DELETE" else self.object
        return self._completed(found or {})

    @property
    def object_name(self) -> str:
        """The name of the object, which a request for one of a collection does not say itself."""
        metadata = metadata_of(self.object or self.old)
        return self.name or str(metadata.get("name") or "")

    @lazy
    def before(self) -> Object | None:
        """The object as it was, on UPDATE."""
        return None if self.operation != "UPDATE" or self.old is None else self._completed(self.old)

    def _completed(self, item: Object) -> Object:
        """The object with kind, namespace and name, which a pod that is being made does not have yet."""
        metadata = metadata_of(item)
        namespace = "" if self.kind == "Namespace" and not self.group else self.namespace
        if "apiVersion" in item and "kind" in item and bool(namespace) == ("namespace" in metadata):
            return item
        known = {"namespace": namespace, "name": self.name}
        metadata = {key: value for key, value in known.items() if value} | dict(metadata)
        api_version = f"{self.group}/{self.version}" if self.group else self.version
        return {"apiVersion": api_version, "kind": self.kind} | item | {"metadata": metadata}


def decode(body: bytes) -> Request:
    """The request of a review. Raises Unreadable."""
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the review cannot be decoded: {error}", uid_in(body)) from None
    if not isinstance(review, dict):
        raise Unreadable("the body is no AdmissionReview")
    request = review.get("request")
    uid = request.get("uid") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(uid, str) or not uid:
        raise Unreadable("the review has no request with a uid")
    if review.get("apiVersion") != _API_VERSION or review.get("kind") != "AdmissionReview":
        raise Unreadable(f"only AdmissionReview of {_API_VERSION} is understood")
    found = _request(uid, request)
    for item in (found.object, found.old):
        # the API server writes them itself; nobody looks at them, and they are half of a pod
        if item and type(metadata := item.get("metadata")) is dict:
            metadata.pop("managedFields", None)
    found.may_hold_null = body.count(b"null") > (found.object is None) + (found.old is None)
    return found


def _request(uid: str, request: Mapping[str, Any]) -> Request:
    operation, kind, resource = request.get("operation"), request.get("kind"), request.get("resource")
    if operation not in _OPERATIONS:
        raise Unreadable(f"there is no operation {operation!r}", uid)
    if not isinstance(kind, dict) or not isinstance(resource, dict):
        raise Unreadable("kind and resource must be maps", uid)
    object, old = request.get("object"), request.get("oldObject")
    if not isinstance(object, _MAP_OR_NOTHING) or not isinstance(old, _MAP_OR_NOTHING):
        raise Unreadable("object and oldObject must be maps", uid)
    user = as_map(request.get("userInfo"))
    groups = user.get("groups")
    if not isinstance(user.get("extra"), _MAP_OR_NOTHING):
        raise Unreadable("userInfo.extra must be a map", uid)
    found = Request(
        uid,
        cast(Operation, operation),
        _text(kind, "group"),
        _text(kind, "version"),
        _text(kind, "kind"),
        _text(resource, "resource"),
        _text(request, "subResource"),
        _text(request, "namespace"),
        _text(request, "name"),
        _text(user, "username"),
        _texts(groups) if isinstance(groups, list) else (),
        request.get("dryRun") is True,
        object,
        old,
        user,
    )
    place = (_text(resource, "group"), found.resource, found.subresource)
    if problem := _contradiction(found) or _unknown_pair((found.group, found.kind), place):
        raise Unreadable(problem, uid)
    return found


def _unknown_pair(kind: tuple[str, str], place: tuple[str, str, str]) -> str:
    """Why no API server asks this of a webhook with the generated entries: its object would be judged as another."""
    if is_pair(kind, place):
        return ""
    asked, what = "/".join(filter(None, place)), "/".join(filter(None, kind))
    return f"there is no {_cut(what)} for {_cut(asked)} in the entries of this webhook"


def _cut(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"


def _contradiction(request: Request) -> str:
    """Why a request is none that an API server sends: it would pass unjudged, or be judged as something else."""
    if not (request.kind and request.version and request.resource):
        return "kind and resource must be named"
    if request.operation in ("CREATE", "UPDATE") and request.object is None:
        return f"{request.operation} needs an object"
    if request.operation == "UPDATE" and request.old is None:
        return "UPDATE needs an oldObject"
    if request.operation == "DELETE" and request.old is None and not request.name:
        return "DELETE needs an oldObject, or a name"
    return "" if request.operation == "CONNECT" or request.subresource not in _WHOLE else _mismatch(request)


def _mismatch(request: Request) -> str:
    kind, api_version = request.kind, f"{request.group}/{request.version}" if request.group else request.version
    for item in (request.object, request.old):
        if item and (item.get("kind", kind) != kind or item.get("apiVersion", api_version) != api_version):
            return f"the object is not of kind {kind} of {api_version}"
    return ""


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if type(found) is str else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"\s*:")
_VALUE = re.compile(rb'\s*:\s*"([^"\\]*)"')


_HEAD = 64 * 1024
"""Bytes in which the uid is looked for: the API server writes it first, and looking further holds up everybody."""

_BEGINNING = 16 * 1024
"""Bytes in which namespace and user are looked for; the object comes after them."""


def uid_in(body: bytes) -> str:
    """The uid of a request that cannot be decoded, because it is nested deeper than the decoder goes, say.

    Empty where there is none among the first bytes.
    """
    return next((text for path, text in _texts_of_request(body[:_HEAD]) if path == (b'"uid"',)), "")


def asker_in(body: bytes) -> tuple[str, str]:
    """User and namespace of a review that is not decoded, as far as they stand before its object."""
    namespace = ""
    for path, text in _texts_of_request(body[:_BEGINNING]):
        if path == (b'"namespace"',):
            namespace = text
        elif path == (b'"userInfo"', b'"username"'):  # the namespace comes before it
            return text, namespace
    return "", namespace


def _texts_of_request(body: bytes) -> Iterator[tuple[tuple[bytes, ...], str]]:
    """The texts of the request and of its user with the keys that lead to them, in their order."""
    section, part, depth = b"", b"", 0
    for match in _TOKEN.finditer(body):
        token = match[0]
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth in (1, 2, 3) and _COLON.match(body, match.end()):
            if depth == 1:
                section = token
            elif depth == 2:
                part = token
            if section == b'"request"' and depth > 1 and (value := _VALUE.match(body, match.end())):
                yield (token,) if depth == 2 else (part, token), value[1].decode(errors="replace")


def encode_response(response: Mapping[str, Any]) -> bytes:
    """The response of a review after its uid, which `encode` puts before it; it must not be empty."""
    return orjson.dumps(response, option=orjson.OPT_NON_STR_KEYS)[1:]


def encode(uid: str, response: bytes) -> bytes:
    """The review that answers a request."""
    return b"%b%b,%b}" % (_ANSWER, orjson.dumps(uid), response)


_ANSWER = b'{"apiVersion":"%b","kind":"AdmissionReview","response":{"uid":' % _API_VERSION.encode()

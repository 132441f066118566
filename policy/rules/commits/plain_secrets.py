"""GIT201: the values of Secrets in a repository, whatever object carries the Secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kmodgate.policy.findings import NOT_CHECKED, FieldPath, Problem, Severity
from kmodgate.policy.formats.yaml_documents import OBJECTS, parse
from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.review import Review
from kmodgate.policy.rule import rule

_WORKS = tuple(f"work.open-cluster-management.io/{kind}" for kind in ("ManifestWork", "ManifestWorkReplicaSet"))
_POLICIES = tuple(f"policy.open-cluster-management.io/{kind}" for kind in ("Policy", "ConfigurationPolicy"))

_RAW = "object-templates-raw"
_FILLED_IN = {"object-templates", _RAW}
"""What holds the templates of a policy: nobody fills in those of a Secret in a ManifestWork. One alone may be for the
generator of policies, which puts it there."""

_STRING = r'"(?:[^"\\\n]|\\.)*+"?+|`[^`]*+`?+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?+'
_STRINGS = lazy_regex(_STRING)
_ACTION = lazy_regex(rf"\{{\{{(?:[^{{}}\"`/]|{_STRING}|/)*+(\}}\}})?+")
"""An action, with strings and a comment in it. One without an end is matched, too, and so looked through once."""

_WRITES_NOTHING = lazy_regex(
    r"\{\{(?:hub)?-?\s*(?:/\*|(?:if|else|end|range|with|define|break|continue)\b|\$\w+(?:,\s*\$\w+)?\s*:?=)"
)
_NAMES = lazy_regex(r"[$.\w]+")
_SECRET_LOOKED_UP = lazy_regex(r"\blookup\s+[\"`]v1[\"`]\s+[\"`]Secret[\"`]")
_READERS = ("fromSecret", "copySecretData")
_ENCODERS = {"hub", "base64enc", "base64dec", "b64enc", "print", "printf", "quote", "trim", "toLiteral", "protect"}

_FROM_SECRET, _FILLED, _LITERAL = "__SECRET__", "__FILLED__", "__LITERAL__"
_ALONE = lazy_regex(r"[ \t]*(?:__(?:SECRET|FILLED|LITERAL)__[ \t]*)+")
_UNREAD = ("SCH001", "SCH002", "SCH007")
"""Errors that end a text, where others are of no interest here: a text of templates is read as far as it can be."""
_WORD = lazy_regex(r"(?:# )?__FILLED__")
_ADDRESS = lazy_regex(r"[a-z][a-z0-9+.-]*://[^\s@?#]+|(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?")


class _Place(NamedTuple):
    path: FieldPath
    line: int = 0
    """The line of a text that makes the object; 0 where none does."""
    is_read: bool = True


@rule("GIT201", kinds=("Secret", *_WORKS, *_POLICIES))
def plain_secret(review: Review) -> Iterator[Problem]:
    """A Secret with its values in the tree: whoever may read the repository has them, for ever.

    A Secret alone is a warning. One inside a ManifestWork or a Policy of Open Cluster Management is an error: whoever
    may read these on the hub has the values, too, without any right on Secrets. A template of a Policy is no value, nor
    is a text that takes something from a Secret, nor an address that a template is a part of.

    Fix: commit an ExternalSecret or a SealedSecret instead, and change the secret.
    Source: Argo CD, docs/operator-manual/secret-management.md; Red Hat Advanced Cluster Management, Governance
    (template functions, object-templates-raw).
    """
    is_alone = review.kind == "Secret"
    message = "a secret that everybody who reads the repository has"
    fix = "commit an ExternalSecret or a SealedSecret instead, and change the secret"
    if not is_alone:
        message = f"{message}, and everybody who reads the {review.object.get('kind')} on the hub"
    for path, line, is_read in _values_in(review.object, ()) if review.in_tree else ():
        if is_read:
            yield Problem(path, message, fix, Severity.WARNING if is_alone else None, line)
        else:
            unread = f"{NOT_CHECKED}: whether a Secret in it has values, since it is no YAML without its templates"
            alone = "write {{ if }}, {{ range }} and {{ end }} on lines of their own"
            yield Problem(path, unread, alone, Severity.INFO, line)


def _values_in(value: object, path: FieldPath) -> Iterator[_Place]:
    """The data of Secrets below a value, whatever carries them, and texts in which they cannot be looked for."""
    if isinstance(value, dict):
        if value.get("kind") == "Secret" and value.get("apiVersion") == "v1":
            is_filled_in = not path or not _FILLED_IN.isdisjoint(path)
            keys = (key for key in ("data", "stringData") if _has_value(value.get(key), is_filled_in))
            yield from (_Place((*path, key)) for key in keys)
            return
        for key, item in value.items():
            is_raw = key == _RAW and isinstance(item, str)
            yield from _values_in_raw(item, (*path, key)) if is_raw else _values_in(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _values_in(item, (*path, index))


def _values_in_raw(text: str, path: FieldPath) -> Iterator[_Place]:
    """The lines of a text of templates on which Secrets have their data.

    What stands twice is in two branches of a condition: the text is read with the last, and with the first.
    """
    lines = [line.replace("__", "# __", 1) if _ALONE.fullmatch(line) else line for line in _filled(text).split("\n")]
    documents, findings = parse("\n".join(lines), _RAW, OBJECTS)
    unread = [finding.line for finding in findings if finding.rule in _UNREAD]
    if unread and "Secret" in text:
        yield _Place(path, unread[0], is_read=False)
    if unread:
        return
    again = {finding.line for finding in findings if finding.rule == "SCH003"}
    if again:
        firsts = ["" if number in again else line for number, line in enumerate(lines, 1)]
        documents += parse("\n".join(firsts), _RAW, OBJECTS)[0]
    found = (
        document.key_position(place.path[1:])[0]
        for document in documents
        for place in _values_in(document.value, (_RAW,))
    )
    yield from (_Place(path, line) for line in dict.fromkeys(found))


def _filled(text: str) -> str:
    """Return a text as its templates make it, with a word for what each action writes."""
    readers = set(_READERS)
    return _ACTION.sub(lambda action: _written(action[0], readers) if action[1] else action[0], text)


def _written(action: str, readers: set[str]) -> str:
    """Return the word for what an action writes, and its lines; a variable that it fills from a Secret is a reader."""
    code = _STRINGS.sub("", action)
    names = [name.partition(".")[0] or "." for name in _NAMES.findall(code)]
    from_secret = not readers.isdisjoint(names) or _SECRET_LOOKED_UP.search(action) is not None
    if _WRITES_NOTHING.match(action):
        if from_secret and "=" in code:
            readers.update(name for name in _NAMES.findall(code.partition("=")[0]) if name.startswith("$"))
        if from_secret and not {"range", "with"}.isdisjoint(names):
            readers.add(".")
        word = ""
    elif from_secret:
        word = _FROM_SECRET
    else:
        word = _LITERAL if _ENCODERS.issuperset(names) else _FILLED
    return word + "\n" * action.count("\n")


def _has_value(data: object, is_filled_in: bool) -> bool:
    """Whether a Secret's data says more than templates, where these are filled in."""
    values = data.values() if isinstance(data, dict) else [data]
    return any(_is_value(value) if is_filled_in else value not in (None, "") for value in values)


def _is_value(value: object) -> bool:
    """Whether a text of a policy is in the tree: neither made by templates alone, nor with what is from a Secret."""
    if not isinstance(value, str):
        return value is not None
    text = _filled(value)
    if _FROM_SECRET in text or (_FILLED in text and _ADDRESS.fullmatch(text)):
        return False
    return _WORD.sub("", text).strip() != ""

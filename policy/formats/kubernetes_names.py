"""What Kubernetes accepts as a name, a label key and a label value.

Source: k8s.io/apimachinery pkg/util/validation/validation.go and pkg/api/validate/content/kube.go. Lengths there
count bytes; they are characters here because every accepted text is ASCII.
"""

from collections.abc import Collection
from difflib import get_close_matches

from kmodgate.policy.lazy import lazy_regex
from kmodgate.policy.memo import LONGEST, kept

MAX_SUBDOMAIN = 253
MAX_LABEL = 63

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS1123_LABEL = lazy_regex(_LABEL)
_DNS1123_SUBDOMAIN = lazy_regex(rf"{_LABEL}(?:\.{_LABEL})*")
_QUALIFIED_NAME = lazy_regex(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")


@kept
def is_dns1123_label(value: str) -> bool:
    """Whether this can name a Namespace: lower case letters, digits and inner `-`, at most 63 characters."""
    return len(value) <= MAX_LABEL and _DNS1123_LABEL.fullmatch(value) is not None


@kept
def is_dns1123_subdomain(value: str) -> bool:
    """Whether this can name most objects: labels as above, of any length, joined by `.`, at most 253 characters."""
    return len(value) <= MAX_SUBDOMAIN and _DNS1123_SUBDOMAIN.fullmatch(value) is not None


@kept
def is_qualified_name(value: str) -> bool:
    """Whether this can be a label key: `name` or `prefix/name`, the prefix a DNS subdomain."""
    prefix, slash, name = value.rpartition("/")
    if slash and not is_dns1123_subdomain(prefix):
        return False
    return len(name) <= MAX_LABEL and _QUALIFIED_NAME.fullmatch(name) is not None


@kept
def is_label_value(value: str) -> bool:
    """Whether this can be a label value: empty, or letters, digits and inner `-`, `_`, `.`, at most 63 characters."""
    return not value or (len(value) <= MAX_LABEL and _QUALIFIED_NAME.fullmatch(value) is not None)


def is_node_label(key: object, value: object) -> bool:
    """Whether an object can have a label; a value that is no text is left to the schema."""
    return is_qualified_name(str(key)) and (not isinstance(value, str) or is_label_value(value))


def as_name(text: str) -> str:
    """Return the name of an object that a text becomes in lower case, with `-` for what no name has; or nothing."""
    found = _NO_NAME.sub("-", text[:LONGEST].strip().lower()).strip("-.")
    return found if is_dns1123_subdomain(found) else ""


_NO_NAME = lazy_regex(r"[^a-z0-9.-]")


def near_name(text: str, names: Collection[str]) -> str:
    """Return the one of some names that a text is a slip of: other capitals, a space, a letter more; or nothing."""
    bare = text[:LONGEST].strip().lower()
    close = get_close_matches(bare, [name.lower() for name in names], n=1, cutoff=_NEAR)
    return next((name for name in names if close and name.lower() == close[0]), "")


_NEAR = 0.8
"""How alike two names are (difflib's ratio) of which one is a slip of the other."""

"""Numbers and lists as a sentence has them."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """`1 cluster`, `2 clusters`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], limit: int = 5) -> str:
    """`a, b, c and 4 more`."""
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return ", ".join(names) or "none"


def clipped(text: str, longest: int = 2000) -> str:
    """Text that is cut where it is very long: nobody reads a value of a megabyte in a message."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def capitalised(text: str) -> str:
    """The text as a sentence begins."""
    return text[:1].upper() + text[1:]


def printable(text: str) -> str:
    """Text from a spec, or the name of a file, without the control characters that would steer a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def driver_title(kind: str, namespace: str, driver: str, place: str = "") -> str:
    """Return `Module drivers/nic`, what stands for a driver; DaemonSets have other names than their driver.

    `place` is the pool or namespace for which it does so.
    """
    if kind == "DaemonSet":
        return f"driver {driver} (DaemonSets in {namespace})"
    title = f"{kind} {namespace}/{driver}" if namespace else f"{kind} {driver}"
    return f"{title} for {place}" if place else title

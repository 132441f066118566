"""Places of a schema: how far they are from a path of a value, in levels, and their text."""

from __future__ import annotations

from kmodgate.policy.findings import FieldPath, format_path, value_at
from kmodgate.policy.json_schema.keywords import EACH, Keywords


def distance(keywords: Keywords, value: object, path: FieldPath, place: FieldPath) -> int:
    """Return how far a place is: levels up and down, more for items of lists and for levels that are not there."""
    common = 0
    while common < min(len(path), len(place) - 1) and (
        path[common] == place[common] or (place[common] == EACH and isinstance(path[common], int))
    ):
        common += 1
    down = place[common:]
    here = place_here(value, place, path)
    absent = sum(value_at(value, here[:length]) is None for length in range(common + 1, len(place)))
    required = place[-1] in keywords.at(place[:-1]).get("required", ())
    return len(path) - common + len(down) + absent + 2 * sum(step == EACH for step in down) - required


def by_distance(keywords: Keywords, value: object, path: FieldPath, name: str) -> list[tuple[int, FieldPath]]:
    """Return the fields of a name with their distance from a path, the closest first."""
    found = [(distance(keywords, value, path, place), place) for place in keywords.places(name)]
    return sorted(found, key=lambda item: item[0])


def home_of(keywords: Keywords, value: object, path: FieldPath, name: str) -> FieldPath:
    """Return the field of a name that is closer than the others and not taken yet; empty where there is none."""
    places = by_distance(keywords, value, path, name)
    if not places or len([cost for cost, _ in places if cost == places[0][0]]) > 1:
        return ()
    home = places[0][1]
    return home if value_at(value, place_here(value, home, path)) is None else ()


def place_here(value: object, place: FieldPath, path: FieldPath) -> FieldPath:
    """Return a place with the indexes of the path that it shares, and 0 for a list of one item."""
    found: list[str | int] = []
    for index, step in enumerate(place):
        if step == EACH:
            items = value_at(value, tuple(found))
            if tuple(found) == path[:index] and len(path) > index and isinstance(path[index], int):
                step = path[index]
            elif isinstance(items, list) and len(items) == 1:
                step = 0
        found.append(step)
    return tuple(found)


def shown(place: FieldPath) -> str:
    """A path of the schema as text, with `[]` for every item of a list."""
    return format_path(place).replace(f"[{EACH}]", "[]")

"""Plans → texts: specs with comments that say what to review, and all files at once into the fleet."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from kmodgate import schemas
from kmodgate.policy.formats.yaml_documents import Document, parse
from kmodgate.renderer.errors import Unusable, refuse_enforced
from kmodgate.renderer.fleet.specs import JsonMap
from kmodgate.renderer.interrupts import temporary_folder
from kmodgate.renderer.local_files.writing import folder_below, open_folder, place_new
from kmodgate.renderer.manifests.emit_yaml import emit
from kmodgate.renderer.scaffold import SCHEMAS


def spec_text(file: str, kind: str, documents: Iterable[JsonMap]) -> str:
    """The YAML of a spec file; its first line tells editors where in the fleet its schema is."""
    folder = os.path.relpath(SCHEMAS, os.path.dirname(file) or ".")
    head = f"# yaml-language-server: $schema={folder}/{schemas.KINDS[kind]}.json\n"
    return head + "---\n".join(emit(document) for document in documents)


def commented(text: str, comments: Iterable[tuple[int, str]]) -> str:
    """The text with comments above the lines that they are about."""
    above: dict[int, list[str]] = defaultdict(list)
    for number, comment in comments:
        if comment not in above[number]:
            above[number].append(comment)
    result: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        indent = line[: len(line) - len(line.lstrip(" "))]
        result += [f"{indent}# {_printable(comment)}" for comment in above.get(number, ())]
        result.append(line)
    return "\n".join(result)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def line_below(number: int, comments: Iterable[tuple[int, str]]) -> int:
    """Where a line of the text is once it has these comments."""
    return number + sum(place <= number for place, _ in set(comments))


def write_files(root: Path, files: dict[str, str]) -> list[str]:
    """Writes new files; gives those that were not there yet.

    Raises Unusable if another text stands in the place of one: then nothing is written. Each file appears as a whole,
    and those that refer to others after them, so that a run that is stopped leaves a fleet that the same run finishes.
    """
    new = list(new_files(root, files))
    list(new_files(root, {f"{SCHEMAS}/any/new": ""}))  # the schemas go there, as this version has them
    root.mkdir(parents=True, exist_ok=True)
    staging = Path(temporary_folder(".kmodgate-import-", str(root)))
    try:
        for number, name in enumerate(new):
            (staging / str(number)).write_text(files[name], encoding="utf-8", newline="\n")
        with open_folder(root) as outer:
            for number, name in enumerate(new):
                folder, _, file = name.rpartition("/")
                with folder_below(outer, folder, create=True) as inner:
                    place_new(staging / str(number), inner, file)
    except (FileExistsError, NotADirectoryError):  # it has come since it was looked for
        raise _exists(root / name) from None
    finally:
        for path in staging.iterdir():
            path.unlink()
        staging.rmdir()
    return new


def new_files(root: Path, files: dict[str, str]) -> Iterator[str]:
    """Those that are not there yet. Raises Unusable where another text, or no folder, stands in the place of one."""
    inside = os.path.realpath(root)
    for name, text in files.items():
        path = root / name
        for folder in (path.parent, *path.parent.parents):
            if folder == root.parent:
                break
            if os.path.lexists(folder) and not folder.is_dir():
                raise _exists(folder)
        if os.path.commonpath([inside, os.path.realpath(path.parent)]) != inside:
            raise Unusable(f"{path.parent} leads out of the fleet", "replace the link by a folder")
        if not os.path.lexists(path):
            yield name
        elif not _holds(path, text.encode()):
            raise _exists(path)


def _holds(path: Path, data: bytes) -> bool:
    """Whether a path is a file of exactly these bytes. A file of another size, however large, is not read."""
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _exists(path: Path) -> Unusable:
    return Unusable(f"{path} exists; nothing is overwritten", "move it away, or give another --output")


def read_back(texts: dict[str, str]) -> dict[str, list[Document]]:
    """The documents of spec files. Raises Refused where a spec is larger or deeper than any may be."""
    result: dict[str, list[Document]] = {}
    for name, text in texts.items():
        result[name], problems = parse(text, name)
        refuse_enforced(problems)
    return result

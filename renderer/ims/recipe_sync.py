"""Keep `require_dkms` of the recipes of the Image Management Service (IMS) in step with a list of flags.

It imports the standard library only and is one file, so that it runs alone in a slim image (Python 3.10 or newer):
`python3 recipe_sync.py --flags FILE --url URL`. It is also the library of `kmodgate ims sync-recipes`. All flags and
recipes are read and checked before anything is changed.

Sources: src/server/v2/resources/recipes.py, src/server/models/recipes.py and src/server/errors.py of Cray-HPE/ims.
"""

from __future__ import annotations

import fnmatch
import http.client
import json
import os
import re
import ssl
import sys
import time
import traceback
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

OK, DIFFERS, INPUT, FAILURE = range(4)
"""Exit codes: in step or put in step; differs or unresolved; unusable input; the service could not be asked."""

LONGEST_RUN = 3600.0
"""Seconds after which a run ends, however many recipes are left."""

WAIT = 30.0
"""Seconds for which a service is asked that is not there."""

MOST_BYTES = 64 << 20
HTML = "a page of HTML"
IN_STEP = ("in step", "put in step", "asserted")
PRINTABLE = re.compile("[!-~]+")
SPACE, COLON, COMMA = (re.compile(rf"[ \t\r\n]*{sign}[ \t\r\n]*") for sign in ("", ":", ",?"))
DECODER = json.JSONDecoder()
RANKS = {"id": 3, "name": 2, "pattern": 1, "default": 0}
"""Which flag wins for a recipe: the one with the higher rank."""

FLAG_KEYS = {"id": str, "name": str, "pattern": str, "arch": str, "newest": bool, "all": bool, "requireDkms": bool}
TYPES = {str: "text in quotes", bool: "true or false without quotes", list: "a list in []", dict: "an object in {}"}


class Failed(Exception):
    """A run that cannot go on: what was seen, what to do, and the exit code."""

    def __init__(self, message: str, fix: str, code: int = INPUT) -> None:
        self.message, self.fix, self.code = message, fix, code
        super().__init__(message)


@dataclass(frozen=True)
class Recipe:
    """A record of IMS, as GET shows it."""

    id: str
    name: str
    arch: str
    created: str
    require_dkms: bool | None
    """None where it is no boolean."""


@dataclass(frozen=True)
class Flag:
    """A wanted value and the recipes that it is for. `place` is where the flag stands: `flags[3]`."""

    place: str
    selector: str
    """A key of RANKS."""
    text: str
    require_dkms: bool
    arch: str = ""
    newest: bool = False
    all: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (self.place, self.selector, _shown(self.text), self.arch)))

    def matches(self, recipes: Iterable[Recipe]) -> list[Recipe]:
        found = [recipe for recipe in recipes if self._selects(recipe) and self.arch in ("", recipe.arch)]
        if self.newest and found:
            latest = max(map(_moment, found))
            return [recipe for recipe in found if _moment(recipe) == latest]
        return found

    def _selects(self, recipe: Recipe) -> bool:
        if self.selector == "default":
            return True
        if self.selector == "pattern":
            return fnmatch.fnmatchcase(recipe.name, self.text)
        return self.text == (recipe.id if self.selector == "id" else recipe.name)


@dataclass(frozen=True)
class Row:
    """A recipe and the value that it is to have."""

    id: str
    name: str
    arch: str
    was: bool | None
    wanted: bool
    flag: str
    state: str
    """in step, differs, put in step, asserted (again, since it looked right), refused or gone."""
    note: str = ""

    def __str__(self) -> str:
        note = f" ({_shown(self.note)})" if self.note else ""
        values = f"{json.dumps(self.was)} -> {json.dumps(self.wanted)}"
        return f"{self.state}: {_shown(self.name)} {self.arch} {_shown(self.id)}: {values}, {self.flag}{note}"


@dataclass
class Outcome:
    rows: list[Row] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    """Flags by id or name without their recipe, or with several."""
    unmatched: list[str] = field(default_factory=list)
    """Patterns without a recipe."""
    recipes: int = 0
    """How many recipes the service has."""

    def code(self, *, strict: bool) -> int:
        is_in_step = all(row.state in IN_STEP for row in self.rows)
        return OK if is_in_step and not self.unresolved and not (strict and self.unmatched) else DIFFERS

    def report(self, form: str) -> str:
        if form == "json":
            return json.dumps(asdict(self), indent=2) + "\n"
        counts = Counter(row.state for row in self.rows)
        counts["unresolved"] = len(self.unresolved)
        lines = [str(row) for row in self.rows if row.state not in ("in step", "asserted")]
        lines += [f"unresolved: {text}" for text in self.unresolved]
        summary = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        none = f"no flag is for any recipe of the service, which has {self.recipes}"
        return "\n".join([*lines, summary or (none if self.recipes else "the service has no recipe")]) + "\n"

    def notes(self, *, asserted: bool) -> list[str]:
        lines = [f"warning: {text}" for text in self.unmatched]
        hidden = sum(row.state == "in step" and not row.wanted for row in self.rows)
        if hidden and not asserted:
            shown = "1 recipe shows" if hidden == 1 else f"{hidden} recipes show"
            lines.append(f'note: {shown} false; so does the text "false", which acts as true: --assert stores booleans')
        if any(row.arch == "aarch64" and not row.wanted for row in self.rows):
            lines.append("note: IMS runs every job for aarch64 with DKMS, whatever its recipe says")
        return lines


Path = tuple[str | int, ...]


@dataclass(frozen=True)
class FlagsFile:
    """Where flags come from: a file with its text, or without one a field of a spec."""

    name: str
    text: str = ""

    def at(self, path: Path = ()) -> str:
        """Return file, line and column of the key or item at a path."""
        return self.at_offset(_place(self.text, path)[0]) if self.text else self.name

    def at_offset(self, offset: int) -> str:
        line, column = self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)
        return f"{self.name}:{line}:{column}"


def _place(text: str, path: Path) -> tuple[int, int]:
    """Return where the key or item at a path of JSON text begins, and where its value does."""
    at = value = _after(SPACE, text, 0)
    for step in path:
        at, value = next((at, value) for found, at, value in _items(text, value) if found == step)
    return at, value


def _items(text: str, at: int) -> Iterator[tuple[str | int, int, int]]:
    """Yield each key or index of an object or a list in JSON text, with its place and that of its value."""
    is_object, number = text[at] == "{", 0
    at = _after(SPACE, text, at + 1)
    while text[at] not in "]}":
        key, end = DECODER.raw_decode(text, at) if is_object else (number, at)
        value = _after(COLON, text, end) if is_object else at
        yield key, at, value
        at, number = _after(COMMA, text, DECODER.raw_decode(text, value)[1]), number + 1


def _after(sign: re.Pattern[str], text: str, at: int) -> int:
    found = sign.match(text, at)
    return found.end() if found else at


def _repeated_key(text: str) -> tuple[str, int] | None:
    """Return a key that stands twice in the file, in the default or in a flag, and the second place."""
    start = _place(text, ())[1]
    top = list(_items(text, start)) if text[start] == "{" else []
    lists = [value for key, _, value in top if key == "flags" and text[value] == "["]
    objects = [value for key, _, value in top if key == "default"]
    objects += [value for place in lists for _, _, value in _items(text, place)]
    for items in (top, *(_items(text, value) for value in objects if text[value] == "{")):
        seen = set()
        for key, at, _ in items:
            if key in seen:
                return str(key), at
            seen.add(key)
    return None


def parse_flags(text: str, name: str) -> list[Flag]:
    """Return the flags of a file `name`; the default is the last of them. Raises Failed."""
    try:
        value = json.loads(text)
        repeated = _repeated_key(text)
    except json.JSONDecodeError as error:
        message = f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}"
        raise Failed(message, 'write {"flags": [{"pattern": "*-gpu-*", "requireDkms": true}]}') from None
    except (ValueError, RecursionError) as error:
        raise Failed(f"{name}: {error}", 'write {"flags": [{"pattern": "*-gpu-*", "requireDkms": true}]}') from None
    source = FlagsFile(name, text)
    if repeated:
        key, offset = repeated
        raise Failed(f"{source.at_offset(offset)}: the key {_shown(key)} stands twice", "remove one of the two")
    return flags_of(value, source)


def flags_of(value: Any, source: FlagsFile) -> list[Flag]:
    """Return the flags of the value of a file, or of `spec.recipes` in a spec. Raises Failed."""
    _check(value, source, (), {"flags": list, "default": dict})
    flags = [_flag(item, source, index) for index, item in enumerate(value.get("flags", []))]
    if "default" in value:
        _check(value["default"], source, ("default",), {"requireDkms": bool}, needed="requireDkms")
        flags.append(Flag("", "default", "", value["default"]["requireDkms"]))
    if not value:
        raise Failed(f"{source.at()}: neither flags nor default", "add one of them")
    return flags


def _flag(value: Any, source: FlagsFile, index: int) -> Flag:
    path, shown = ("flags", index), f"flags[{index}]"
    _check(value, source, path, FLAG_KEYS, needed="requireDkms")
    selectors = [key for key in RANKS if key in value]
    if len(selectors) != 1 or not value[selectors[0]]:
        place = source.at((*path, *selectors[-1:]))
        said = " and ".join(selectors) or "no selector"
        raise Failed(f"{place}: {shown}: {said}", "give one of id, name and pattern, not empty")
    if value.get("arch", "x86_64") not in ("x86_64", "aarch64"):
        place = source.at((*path, "arch"))
        raise Failed(f"{place}: {shown}.arch: {_shown(value['arch'])}", "write x86_64 or aarch64, or leave arch out")
    newest, every = value.get("newest", False), value.get("all", False)
    if (newest and every) or (selectors[0] == "id" and (newest or every)):
        place = source.at((*path, "newest" if newest else "all"))
        said = "newest and all exclude each other, and an id needs neither"
        raise Failed(f"{place}: {shown}: {said}", "remove one of the keys")
    arch = value.get("arch", "")
    return Flag(shown, selectors[0], value[selectors[0]], value["requireDkms"], arch, newest, every)


def _check(value: Any, source: FlagsFile, path: Path, types: dict[str, type], needed: str = "") -> None:
    """Raise Failed for an object that is none, or has an unknown key, a value of another type, or a key too few."""
    shown = "".join(f"[{step}]" if isinstance(step, int) else step for step in path)
    shown = f"{shown}: " if shown else ""
    if not isinstance(value, dict):
        said = f"{shown[:-2] or 'the file'} is {_shown(json.dumps(value))}"
        raise Failed(f"{source.at(path)}: {said}", f"write {TYPES[dict]}")
    for key, item in value.items():
        if key in types and type(item) is types[key]:
            continue
        place = f"{source.at((*path, key))}: {shown}"
        if key not in types:
            raise Failed(f"{place}unknown key {_shown(key)}", f"the keys are {', '.join(types)}")
        raise Failed(f"{place}{key} is {_shown(json.dumps(item))}", f"write {TYPES[types[key]]}")
    if needed and needed not in value:
        raise Failed(f"{source.at(path)}: {shown}{needed} is missing", f"add {needed}, as {TYPES[types[needed]]}")


def parse_recipes(value: Any) -> list[Recipe]:
    """Return the recipes that GET has answered. Raises Failed for a list that is not one of IMS."""
    fix = "look at --url: it is the address of IMS, as https://api-gw-service-nmn.local/apis/ims"
    if not isinstance(value, list):
        raise Failed(f"the answer is no list of recipes, but {type(value).__name__}", fix, FAILURE)
    for index, record in enumerate(value):
        texts = [record.get(key) if isinstance(record, dict) else None for key in ("id", "name")]
        if not all(isinstance(text, str) and text for text in texts):
            raise Failed(f"recipe {index} of the answer has no id and name", fix, FAILURE)
    return [
        Recipe(
            record["id"],
            record["name"],
            str(record.get("arch") or "x86_64"),
            str(record.get("created")),
            record["require_dkms"] if isinstance(record.get("require_dkms"), bool) else None,
        )
        for record in value
    ]


def resolve(flags: Iterable[Flag], recipes: Sequence[Recipe]) -> Outcome:
    """Return a row for each recipe that a flag is for. Raises Failed where two flags of one rank disagree."""
    outcome = Outcome(recipes=len(recipes))
    chosen: dict[str, Flag | None] = {}  # None: left alone, since the name in a flag is that of several recipes
    by_id = {recipe.id: recipe for recipe in recipes}
    for flag in sorted(flags, key=lambda flag: -RANKS[flag.selector]):
        found = flag.matches(recipes)
        is_ambiguous = flag.selector == "name" and len(found) > 1 and not (flag.all or flag.newest)
        if is_ambiguous:
            outcome.unresolved.append(f"{flag}: {len(found)} recipes: add arch, all or newest, or give the id")
        elif not found and flag.selector != "default":
            missing = outcome.unmatched if flag.selector == "pattern" else outcome.unresolved
            missing.append(f"{flag}: matches no recipe")
        for recipe in found:
            first = chosen.setdefault(recipe.id, None if is_ambiguous else flag)
            if first and RANKS[first.selector] == RANKS[flag.selector] and first.require_dkms != flag.require_dkms:
                both = f"{first} and {flag} disagree on {_shown(recipe.name)} {recipe.arch} {recipe.id}"
                raise Failed(both, "narrow one of the two; an id wins over a name, a name over a pattern")
    rows = [_row(by_id[id], flag) for id, flag in chosen.items() if flag]
    outcome.rows = sorted(rows, key=lambda row: (row.name, row.arch, row.id))
    return outcome


def _row(recipe: Recipe, flag: Flag) -> Row:
    state = "in step" if recipe.require_dkms is flag.require_dkms else "differs"
    return Row(recipe.id, recipe.name, recipe.arch, recipe.require_dkms, flag.require_dkms, str(flag), state)


class Service:
    """IMS at an address. A request is repeated for `wait` seconds where the service is not there.

    Neither proxies nor redirects are followed, so that the token goes to no other host.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        ca_file: str = "",
        wait: float = WAIT,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        address = _address(url)
        self.host, self.port, self.path = address.hostname or "", address.port, address.path
        self.address = f"{address.scheme}://{address.netloc}"
        self.tls = _trust(ca_file) if address.scheme == "https" else None
        self.token, self.wait, self.sleep, self.clock = token, wait, sleep, clock
        self.end = clock() + LONGEST_RUN
        base = self.path.rstrip("/").removesuffix("/recipes")
        self.recipes_path = base + ("" if base.endswith(("/v2", "/v3")) else "/v3") + "/recipes"

    def recipes(self) -> list[Recipe]:
        status, value = self.ask("GET", self.recipes_path)
        if status != 200:
            raise self._failed(f"GET: {_detail(status, value)}", path=self.recipes_path)
        return parse_recipes(value)

    def set_flag(self, row: Row) -> str:
        """Store the flag of a recipe as a JSON boolean; return what the service says against it, or nothing."""
        body = json.dumps({"require_dkms": row.wanted})
        status, value = self.ask("PATCH", f"{self.recipes_path}/{quote(row.id, safe='')}", body, "application/json")
        return "" if status < 300 else self._without_token(_detail(status, value))

    def ask(self, method: str, path: str, body: str = "", kind: str = "") -> tuple[int, Any]:
        """Return the status and value of an answer. Raises Failed if none comes in time, or the token is refused."""
        end, tries, problem = min(self.clock() + self.wait, self.end), 0, "not asked"
        while problem:
            if self.clock() > self.end:
                raise self._failed(f"the run took longer than {LONGEST_RUN:g} seconds", "run it again: it goes on")
            tries += 1
            status, value, problem = self._try(method, path, body, kind, end, tries)
            pause = min(2.0**tries / 4, 8.0)
            if problem and self.clock() + pause > end:
                asked = f"asked for {self.wait:g} second{'' if self.wait == 1 else 's'}"
                raise self._failed(f"{method}: {problem}; {asked}", _fix(problem), path)
            if problem:
                self.sleep(pause)
        if status in (401, 403):
            raise self._failed(f"{method}: {status}", "give a token, or a client, that is valid by --token-file", path)
        if 300 <= status < 400:
            message = f"{method}: {status}: a redirect, which is not followed"
            raise self._failed(message, "give its target as --url", path)
        return status, value

    def _try(self, method: str, path: str, body: str, kind: str, end: float, tries: int) -> tuple[int, Any, str]:
        """Return the status and value of an answer, or why the service is to be asked again."""
        headers = {"Accept": "application/json"}
        headers |= {"Content-Type": kind} if kind else {}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            status, data = self._once(method, path, body, headers, max(end - self.clock(), 0.1))
            return status, *_read(method, status, data, tries)
        except (ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLEOFError) as error:
            return 0, None, str(error) or type(error).__name__
        except (OSError, ValueError) as error:
            raise self._failed(str(error)) from None

    def _once(self, method: str, path: str, body: str, headers: dict[str, str], seconds: float) -> tuple[int, bytes]:
        connection = self._connection(seconds)
        connection.connect()
        timer = Timer(seconds, _hang_up, [connection.sock])  # ends an answer that comes drop by drop, too
        timer.start()
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            data = b""
            while chunk := answer.read(1 << 16):
                data += chunk
                if len(data) > MOST_BYTES:
                    raise ValueError(f"the answer is larger than {MOST_BYTES >> 20} MiB")
            if answer.length:
                raise http.client.IncompleteRead(data, answer.length)
            return answer.status, data
        finally:
            timer.cancel()
            connection.close()

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=seconds, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=seconds)

    def _failed(
        self, message: str, fix: str = "look at --url and --ca-file, and at the log of cray-ims", path: str = ""
    ) -> Failed:
        return Failed(f"{self.address}{path}: {self._without_token(message)}", fix, FAILURE)

    def _without_token(self, text: str) -> str:
        """Return the text of an answer without the token: a service may repeat what it was sent."""
        return text.replace(self.token, "[token]") if len(self.token) > 3 else text


def _read(method: str, status: int, data: bytes, tries: int) -> tuple[Any, str]:
    """Return the JSON of an answer, or why the service is to be asked again. A 500 is an answer after three tries."""
    if status in (502, 503, 504) or (status == 500 and tries < 3):
        return None, str(status)
    if data.lstrip()[:1] == b"<":
        return {"detail": HTML}, f"{status}: {HTML}" if status < 300 else ""
    try:
        return json.loads(data), ""
    except (ValueError, RecursionError):
        text = data.decode("utf-8", "replace").strip()
        return {"detail": text}, "the answer is not JSON" if status == 200 and method != "PATCH" else ""


def _detail(status: int, value: Any) -> str:
    """Return the status and the reason of a refusal: IMS gives a title and a detail, a proxy before it plain text."""
    said = [value.get(key) for key in ("title", "detail", "message")] if isinstance(value, dict) else []
    return f"{status} {_shown(': '.join(text for text in said if isinstance(text, str) and text))}".strip()


def _fix(problem: str) -> str:
    """Return what to do about a service that did not answer in time."""
    if HTML in problem:
        return (
            "look at --url: such a page comes from a login or from another service, not from IMS; it may want a token"
        )
    return "look at --url and at the log of cray-ims, or give a longer --wait"


def _hang_up(connected: socket) -> None:
    with suppress(OSError):  # it is closed
        socket.shutdown(connected, SHUT_RDWR)


def _address(url: str) -> SplitResult:
    with suppress(ValueError):
        parts = urlsplit(url)
        is_plain = not ("@" in parts.netloc or parts.query or parts.fragment or parts.port == 0)
        if parts.scheme in ("http", "https") and parts.hostname and is_plain and PRINTABLE.fullmatch(url):
            return parts
    fix = "write https://HOST/PATH, without user and query, as --url and into the endpoint of the Secret"
    shown = _shown(re.sub(r"(?<![^/])[^/]*@", "...@", url)) or "nothing"
    raise Failed(f"{shown}: not the address of a service", fix)


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        if ca_file:
            _refuse_pipes(ca_file)
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise Failed(
            f"{ca_file}: no CA certificates: {error}", "give a file of PEM certificates as --ca-file"
        ) from None


def read_token(path: str, ca_file: str, wait: float) -> str:
    """Return the token in a file; or one for the client whose Secret, with its endpoint, is mounted as a folder."""
    if os.path.isdir(path):
        client, secret, endpoint = (
            read_text(os.path.join(path, name)).strip() for name in ("client-id", "client-secret", "endpoint")
        )
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        service = Service(endpoint, "", ca_file, wait)
        status, value = service.ask("POST", service.path, urlencode(form), "application/x-www-form-urlencoded")
        token = str(value.get("access_token", "")) if status == 200 and isinstance(value, dict) else ""
    else:
        token = read_text(path).strip()
    if not PRINTABLE.fullmatch(token):
        raise Failed(f"{path}: no bearer token", "give a file with the token alone, or the folder of admin-client-auth")
    return token


def read_text(path: str) -> str:
    try:
        _refuse_pipes(path)
        with open(path, encoding="utf-8-sig") as file:
            return file.read(MOST_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Failed(f"{path}: cannot be read: {why}", "correct the path or the file") from None


def _refuse_pipes(path: str) -> None:
    """Raise OSError for what may never end, apart from what a shell puts in the place of a file."""
    if os.path.exists(path) and not os.path.isfile(path) and not path.startswith(("/dev/fd/", "/dev/stdin")):
        raise OSError("it is no file")


def synchronise(service: Service, flags: Sequence[Flag], mode: str) -> Outcome:
    """Compare, set what differs and compare again; mode `check` sets nothing, `assert` sets every flag."""
    before = resolve(flags, service.recipes())
    wanted = {row.id: row for row in before.rows if mode == "assert" or row.state == "differs"}
    if mode == "check" or not wanted:
        return before
    answers: dict[str, str] = {}
    try:
        for id, row in wanted.items():
            answers[id] = service.set_flag(row)
        after = resolve(flags, service.recipes())
    except Failed as error:
        error.message += f"; {len(answers)} of {len(wanted)} flags had been set"
        raise
    here = {row.id for row in after.rows}
    after.rows = [_settled(wanted[row.id], row, answers[row.id]) if row.id in wanted else row for row in after.rows]
    after.rows += [replace(row, state="gone", note=answers[id]) for id, row in wanted.items() if id not in here]
    return after


def _settled(before: Row, after: Row, answer: str) -> Row:
    """Return the row of a recipe whose flag was set, by what the service said and what it shows now."""
    row = replace(after, was=before.was)
    was_in_step = before.state == "in step"
    if answer and (was_in_step or after.state == "differs"):
        return replace(row, state="refused", note=answer)
    if after.state == "differs":
        return replace(row, note=f"it was set, and now shows {json.dumps(after.was)}")
    return replace(row, state="asserted" if was_in_step else "put in step")


def _moment(recipe: Recipe) -> datetime:
    try:
        moment = datetime.fromisoformat(recipe.created.replace("Z", "+00:00"))
    except ValueError:
        fix = "select it by id, or without newest"
        raise Failed(f"recipe {_shown(recipe.name)} {recipe.id} was created at no time", fix, FAILURE) from None
    return moment if moment.tzinfo else datetime.fromisoformat(f"{recipe.created}+00:00")


def _shown(value: Any, longest: int = 200) -> str:
    """Return a value from elsewhere as one line that does not steer a terminal."""
    text = value if isinstance(value, str) else json.dumps(value)
    text = text if len(text) <= longest else f"{text[:longest]}…"
    return text if text.isprintable() else repr(text)[1:-1]


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--url", required=True, help="address of IMS: https://api-gw-service-nmn.local/apis/ims")
    add("--token-file", metavar="FILE", default="", help="bearer token, or the folder of the Secret admin-client-auth")
    add("--ca-file", metavar="FILE", default="", help="CA certificates (PEM), instead of those of the system")
    mode = parser.add_mutually_exclusive_group().add_argument
    mode("--check", dest="mode", action="store_const", const="check", help="compare only; exit 1 if a recipe differs")
    mode(
        "--assert", dest="mode", action="store_const", const="assert", help="set every flag, also those that look right"
    )
    parser.set_defaults(mode="set")
    add("--strict", action="store_true", help="exit 1 also if a pattern matches no recipe")
    add("--format", choices=("text", "json"), default="text", help="form of the report")
    add("--wait", metavar="SECONDS", type=_seconds, default=WAIT, help="wait so long for the service (default: 30)")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= LONGEST_RUN:
            return float(text)
    raise ArgumentTypeError(f"not a number of seconds up to {LONGEST_RUN:g}: {text}")


def run(flags: Sequence[Flag], args: Namespace) -> tuple[int, str, list[str]]:
    """Return the exit code, the report, and lines for a person. Raises Failed."""
    token = read_token(args.token_file, args.ca_file, args.wait) if args.token_file else ""
    outcome = synchronise(Service(args.url, token, args.ca_file, args.wait), flags, args.mode)
    notes = outcome.notes(asserted=args.mode == "assert")
    if token and args.url.lower().startswith("http:"):
        notes.append("warning: the token went over http, which anybody on the way can read")
    return outcome.code(strict=args.strict), outcome.report(args.format), notes


def main() -> int:
    parser = ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--flags", required=True, help="JSON file with the flags")
    add_arguments(parser)
    args = parser.parse_args()
    try:
        code, report, notes = run(parse_flags(read_text(args.flags), args.flags), args)
    except Failed as error:
        print(f"recipe_sync: error: {_shown(error.message, 2000)}\n    fix: {error.fix}", file=sys.stderr)
        return error.code
    sys.stderr.write("".join(f"{note}\n" for note in notes))
    print(report, end="", flush=True)
    return code


if __name__ == "__main__":
    try:
        exit_code = main()
    except KeyboardInterrupt:
        exit_code = 130
    except Exception:  # which Python would end with 1: differs
        traceback.print_exc()
        exit_code = FAILURE
    sys.exit(exit_code)

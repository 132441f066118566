"""Counts the work of kmodgate's own code: calls, and what single operations of C hide.

`sys.setprofile` sees each call, also of functions of C, and not how long one takes: `x in list`, `sorted`, a comparison
of two maps or a text that is put together are one event, or none. So the modules are loaded once more from their source,
with each such operation counted by the sizes of what it is given.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import BuiltinFunctionType, ModuleType
from typing import Any

from tests.fleets import REPOSITORY

_PACKAGE = "kmodgate"
_FREE = {
    type, isinstance, issubclass, len, id, getattr, hasattr, setattr, callable, iter, next, bool, enumerate, zip, map,
    filter, print, int, float, object, property, range,
}  # fmt: skip
"""What takes no longer for a long argument, or hands it on piece by piece."""

_WALKING = {list, tuple, set, frozenset, dict, str, bytes}
_CHEAP_METHODS = frozenset(
    ("append", "pop", "startswith", "endswith", "add", "discard", "get", "setdefault", "send", "popleft")
)
_SCANNED = (str, bytes, list, tuple)
_SIZED = (str, bytes, list, tuple, set, frozenset, dict, type({}.items()), type({}.keys()), type({}.values()))


class Counter:
    """How much work was done: `calls` as the profiler sees them, `hidden` inside of single operations."""

    def __init__(self) -> None:
        self.calls = 0
        self.hidden = 0

    @property
    def work(self) -> int:
        return self.calls + self.hidden

    def profile(self, _frame: Any, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            self.calls += 1

    # -- the operations, as the rewritten modules call them ------------------------------------

    def called(self, function: Any, /, *arguments: Any, **named: Any) -> Any:
        self.hidden += 1
        if isinstance(function, BuiltinFunctionType):
            if function not in _FREE and function.__name__ not in _CHEAP_METHODS:
                owner = function.__self__
                self.hidden += sum(map(_size, arguments)) + (len(owner) if isinstance(owner, _SCANNED) else 0)
        elif type(function) is type and function in _WALKING:
            self.hidden += sum(map(_size, arguments))
        return function(*arguments, **named)

    def contains(self, item: Any, holder: Any) -> bool:
        self.hidden += len(holder) if isinstance(holder, (*_SCANNED, type({}.values()))) else 1
        return item in holder

    def equal(self, first: Any, second: Any) -> Any:
        self.hidden += _compared(first, second)
        return first == second

    def iterated(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.hidden += 1
            yield item

    def sized(self, value: Any) -> Any:
        self.hidden += _size(value)
        return value


def _size(value: object) -> int:
    return len(value) if isinstance(value, _SIZED) else 0


def _compared(first: object, second: object) -> int:
    """How many parts a comparison may look at; it ends early where kinds or sizes differ."""
    if not isinstance(first, _SIZED) or not isinstance(second, _SIZED) or len(first) != len(second):
        return 1
    if isinstance(first, str | bytes):
        return len(first)
    if isinstance(first, dict) and isinstance(second, dict):
        return sum(_compared(value, second.get(key)) for key, value in first.items()) + 1
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return sum(_compared(*pair) for pair in zip(first, second, strict=True)) + 1
    return len(first)


_NAME = "__counter__"


class _Rewriter(ast.NodeTransformer):
    """Has each operation counted that may take longer the more it is given."""

    def _to(self, method: str, node: ast.expr, *arguments: ast.expr) -> ast.expr:
        function = ast.Attribute(ast.Name(_NAME, ast.Load()), method, ast.Load())
        return ast.copy_location(ast.Call(function, list(arguments), []), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node
        node.args.insert(0, node.func)
        node.func = ast.Attribute(ast.Name(_NAME, ast.Load()), "called", ast.Load())
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) > 1:
            return node
        operation, right = node.ops[0], node.comparators[0]
        if isinstance(operation, ast.In | ast.NotIn):
            found = self._to("contains", node, node.left, right)
        elif isinstance(operation, ast.Eq | ast.NotEq):
            found = self._to("equal", node, node.left, right)
        else:
            return node
        negated = isinstance(operation, ast.NotIn | ast.NotEq)
        return ast.copy_location(ast.UnaryOp(ast.Not(), found), node) if negated else found

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return self._to("sized", node, node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        return self._to("sized", node, node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        node.value = self.visit(node.value)  # and not its format, which must stay a text
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = self._to("sized", node.value, node.value)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        is_slice = isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load)
        return self._to("sized", node, node) if is_slice else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AugAssign:
        self.generic_visit(node)
        node.value = self._to("sized", node.value, node.value)
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        self.generic_visit(node)
        node.iter = self._to("iterated", node.iter, node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.iter = self._to("iterated", node.iter, node.iter)
        return node


class _Loader(importlib.abc.Loader, importlib.abc.MetaPathFinder):
    """Finds the modules of the package, and runs them rewritten."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._files: dict[str, Path] = {}

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.partition(".")[0] != _PACKAGE:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path or [str(REPOSITORY / "src")])
        if found is None or found.origin is None or not found.origin.endswith(".py"):
            return found
        self._files[name] = Path(found.origin)
        is_package = found.submodule_search_locations is not None
        spec = importlib.util.spec_from_file_location(
            name, found.origin, loader=self, submodule_search_locations=found.submodule_search_locations
        )
        assert spec is not None
        assert is_package == (spec.submodule_search_locations is not None)
        return spec

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        file = self._files[module.__name__]
        tree = ast.fix_missing_locations(_Rewriter().visit(ast.parse(file.read_text(), str(file))))
        module.__dict__[_NAME] = self._counter
        exec(compile(tree, str(file), "exec"), module.__dict__)


@contextmanager
def counted_modules(counter: Counter) -> Iterator[None]:
    """While it holds, `import kmodgate…` gives modules whose work is counted; afterwards the usual ones again."""
    usual = _taken_out()
    loader = _Loader(counter)
    sys.meta_path.insert(0, loader)
    try:
        yield
    finally:
        sys.meta_path.remove(loader)
        _taken_out()
        sys.modules.update(usual)


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}


@contextmanager
def counting(counter: Counter, *, profiled: bool) -> Iterator[None]:
    """Counts from the beginning of the block to its end; the profiler sees calls inside of other libraries, too."""
    counter.calls = counter.hidden = 0
    sys.setprofile(counter.profile if profiled else None)
    try:
        yield
    finally:
        sys.setprofile(None)

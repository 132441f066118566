"""What the tests share: the option that accepts golden trees, the examples and their trees, the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import hypothesis
import pytest
import yaml

from tests import shared
from tests.command import Finished, forked
from tests.fleets import FleetFolder
from tests.import_names import PartsOfKmodgate, second_copies

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests" / "cases"
HANDOVERS = ROOT / "tests" / "handovers"
EXAMPLES = sorted(marker.parent.name for marker in ROOT.glob("examples/*/kmodgate.yaml"))
WITH_DRIVERS = [name for name in EXAMPLES if (ROOT / "examples" / name / "drivers").is_dir()]
"""The examples that have Modules."""

collect_ignore = ["e2e"]
"""What needs a control plane is a suite of its own, which `make e2e` calls by its folder."""

hypothesis.settings.register_profile("kmodgate", deadline=None)  # no test may depend on how busy the machine is
hypothesis.settings.load_profile("kmodgate")
sys.meta_path.insert(0, PartsOfKmodgate())
# libyaml reads the same ten times as fast as PyYAML; kmodgate itself calls neither function.
vars(yaml).update(
    safe_load=partial(yaml.load, Loader=yaml.CSafeLoader), safe_load_all=partial(yaml.load_all, Loader=yaml.CSafeLoader)
)
os.environ["PYTHONPATH"] = str(ROOT / "src")  # processes run this checkout, whichever one is installed

Kmodgate = Callable[..., Finished]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="take what the examples render to as the golden trees"
    )
    parser.addoption(
        "--update-field-open", action="store_true", help="list the field cases that fall short in tests/field_open.txt"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Take one process more than there are cores: tests of servers wait for much of their time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes the longest, so that none of it is left for the end: wheels, hooks, processes of a test."""
    slow = {item.path for item in items if item.get_closest_marker("timing")}
    order = {
        path: (not path.is_relative_to(ROOT / "tests/repository"), path not in slow)
        for path in {item.path for item in items}
    }
    items.sort(key=lambda item: order[item.path])


def pytest_runtest_setup(item: pytest.Item) -> None:
    shared.test = item


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail the test after which a part of kmodgate is loaded twice."""
    assert (copies := second_copies()) == [], f"a second copy of kmodgate.{copies[0]} is loaded, as {copies[0]}"


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden trees are to be written before they are compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def kmodgate() -> Kmodgate:
    """Runs the command in a process of its own: `kmodgate("render", fleet)`."""

    def run(*arguments: str | Path, cwd: Path = ROOT) -> Finished:
        return forked(*map(str, arguments), cwd=cwd)

    return run


def golden_modules(name: str) -> Iterator[tuple[str, dict]]:
    """Path and object of every Module of an example's golden tree."""
    for path in sorted((CASES / name).glob("*/*/module-*.yaml")):
        yield path.relative_to(CASES / name).as_posix(), yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def fleet(tmp_path: Path) -> FleetFolder:
    """A fleet of one cluster, paris, and one driver, nic."""
    folder = FleetFolder(tmp_path / "fleet")
    folder.cluster("paris")
    folder.driver("nic")
    return folder

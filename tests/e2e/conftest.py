"""The control plane that the tests share, and what each test has for itself."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.api_server import definitions
from tests.e2e.api_server.control_plane import ControlPlane
from tests.e2e.api_server.programs import MissingPrograms, Programs, found

NewControlPlane: TypeAlias = Callable[..., AbstractContextManager[ControlPlane]]

_folders = pytest.StashKey[list[Path]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_folders] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a control plane: which definitions it has depends on the folder of `tests.shared`."""
    for item in items:
        if "new_control_plane" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for folder in config.stash[_folders]:
        if folder.is_dir():
            terminalreporter.write_line(f"logs of the control plane: {folder}")


@pytest.fixture(scope="session")
def programs() -> Programs:
    """The programs of a control plane."""
    try:
        return found()
    except MissingPrograms as missing:
        pytest.exit(str(missing), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope="session")
def new_control_plane(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> NewControlPlane:
    """Starts a control plane of its own for `with`, empty; the keywords are those of `ControlPlane`.

    Its logs stay when a test has failed by its end, and the end of the run says where.
    """

    @contextmanager
    def start(**options: Any) -> Iterator[ControlPlane]:
        folder = tmp_path_factory.mktemp("control-plane")
        request.config.stash[_folders].append(folder)
        with ControlPlane(programs, folder, **options) as running:
            yield running
        if not request.session.testsfailed:
            shutil.rmtree(folder)

    return start


@pytest.fixture(scope="session")
def control_plane(new_control_plane: NewControlPlane) -> Iterator[ControlPlane]:
    """The control plane that the tests share, with KMM's kinds."""
    with new_control_plane() as running:
        running.install(*definitions.definitions())
        yield running


@pytest.fixture
def controllers(control_plane: ControlPlane, programs: Programs) -> ControlPlane:
    """The same, with the controllers of Jobs, namespaces and garbage. Skips where there is no controller manager."""
    if programs.controller_manager is None:
        pytest.skip(f"there is no kube-controller-manager in {programs.folder}")
    return control_plane


_numbers = itertools.count(1)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A namespace that no other test uses."""
    name = f"test-{next(_numbers)}"
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name

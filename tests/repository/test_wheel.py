"""What is built and installed: one package, complete, whose commands no folder of a user gets in the way of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest

from kmodgate import schemas
from kmodgate.renderer.version import __version__
from kmodgate.webhook.start import EXTRA
from tests.fleets import REPOSITORY, FleetFolder
from tests.webhook.manifests import large_module, review
from tests.webhook.server import serving

PARTS = ("policy", "schemas", "renderer", "webhook")
MIB = 1024 * 1024
ALL_PACKAGES = Path(distribution("aiohttp").locate_file(""))
"""The packages of the environment of the tests, without what its .pth files add: kmodgate."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    command = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--target",
        "sdist",
        "--directory",
        folder,
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


# -- what is in them --------------------------------------------------------------------------------------------------


def test_the_wheel_holds_every_file_of_the_parts_and_no_other(wheel: Path) -> None:
    names = Counter(zipfile.ZipFile(wheel).namelist())
    files = (path for part in PARTS for path in (REPOSITORY / part).rglob("*") if path.is_file())
    sources = {path.relative_to(REPOSITORY).as_posix() for path in files if path.suffix != ".pyc"}
    own = {f"kmodgate/{name}" for name in (*sources, "__init__.py", "py.typed")}
    assert {name for name in names if not name.startswith(f"kmodgate-{__version__}.dist-info/")} == own
    assert own >= {f"kmodgate/schemas/{name}.json" for name in schemas.KINDS.values()}
    assert own >= {"kmodgate/renderer/report/page.css", "kmodgate/renderer/report/page.js"}
    assert max(names.values()) == 1


def test_the_sdist_holds_each_file_of_the_wheel_once_and_no_links(sdist: Path, wheel: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = Counter(PurePosixPath(member.name).relative_to(f"kmodgate-{__version__}").as_posix() for member in members)
    packaged = {name.removeprefix("kmodgate/") for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    sources = {f"src/kmodgate/{name}" if name in ("__init__.py", "py.typed") else name for name in packaged}
    assert sources <= names.keys() <= sources | {"pyproject.toml", "README.md", "LICENSE", ".gitignore", "PKG-INFO"}
    assert max(names.values()) == 1
    assert all(member.isfile() for member in members)


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, sdist]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


# -- what it installs -------------------------------------------------------------------------------------------------


class Environment:
    """A virtual environment with the wheel and nothing else."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        (self.packages,) = folder.glob("lib/python*/site-packages")
        before = set(self.packages.iterdir())
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], check=True, capture_output=True)
        self.installed = sorted(path.name for path in set(self.packages.iterdir()) - before)

    def run(self, command: str, *arguments: str | Path, path: Sequence[Path], cwd: Path) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of an installed command; `path` is PYTHONPATH."""
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, path))}
        program = [self.bin / command, *arguments]
        done = subprocess.run(program, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture(scope="module")
def plain_packages(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a plain installation needs: links to those packages of the environment of the tests."""
    (metadata,) = environment.packages.glob("kmodgate-*.dist-info/METADATA")
    wanted = re.findall(r"^Requires-Dist: ([\w.-]+)[^;\n]*$", metadata.read_text(), re.M)
    assert len(wanted) == 3
    folder = tmp_path_factory.mktemp("plain")
    for name in wanted:
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            (folder / top).symlink_to(ALL_PACKAGES / top)
    return folder


@pytest.fixture
def in_the_way(tmp_path: Path) -> Path:
    """A folder of a user, with packages that are called like the parts of kmodgate and cannot be imported."""
    return with_packages(tmp_path / "in-the-way", *PARTS)


def with_packages(folder: Path, *names: str) -> Path:
    """Write packages that raise when they are imported."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise RuntimeError('{name} of the user was imported')\n")
    return folder


def test_it_installs_one_package(environment: Environment) -> None:
    assert environment.installed == ["kmodgate", f"kmodgate-{__version__}.dist-info"]


def test_the_extra_has_the_packages_that_its_command_names() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {re.split(r"[^\w.-]", line)[0] for line in project["optional-dependencies"]["webhook"]} == EXTRA


def test_the_renderer_runs_in_a_plain_installation(
    environment: Environment, plain_packages: Path, in_the_way: Path, fleet: FleetFolder
) -> None:
    path = [in_the_way, plain_packages]
    version = environment.run("kmodgate", "version", path=path, cwd=in_the_way)
    rendered = environment.run("kmodgate", "render", fleet.root, path=path, cwd=in_the_way)
    assert (version[0], version[1].split()[:2], version[2]) == (0, ["kmodgate", __version__], "")
    assert rendered[0] == 0, rendered[2]
    assert fleet.object("paris/nic/module-nic.yaml")["kind"] == "Module"


def test_the_webhook_names_its_extra_in_a_plain_installation(
    environment: Environment, plain_packages: Path, in_the_way: Path
) -> None:
    found = environment.run("kmodgate-webhook", "--version", path=[in_the_way, plain_packages], cwd=in_the_way)
    code, out, (line,) = found[0], found[1], found[2].splitlines()
    assert (code, out) == (2, "")
    assert line.startswith("kmodgate-webhook: ")
    assert "pip install 'kmodgate[webhook]'" in line


def test_another_import_that_fails_is_not_taken_for_the_extra(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "re2").mkdir()
    (tmp_path / "re2" / "__init__.py").write_text("import missing_part_of_re2\n")
    code, _, errors = environment.run("kmodgate-webhook", "--version", path=[tmp_path, ALL_PACKAGES], cwd=tmp_path)
    assert code == 1
    assert "No module named 'missing_part_of_re2'" in errors
    assert "pip install" not in errors


def test_the_webhook_runs_beside_packages_that_are_called_like_its_parts(
    environment: Environment, in_the_way: Path
) -> None:
    path = [in_the_way, ALL_PACKAGES]
    found = environment.run("kmodgate-webhook", "--version", path=path, cwd=in_the_way)
    assert found == (0, f"kmodgate-webhook {__version__}\n", "")


def test_the_process_for_large_bodies_runs_beside_packages_that_are_called_like_its_parts(
    environment: Environment, in_the_way: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join(map(str, (in_the_way, ALL_PACKAGES)))
    command = [environment.bin / "kmodgate-webhook"]
    here = with_packages(tmp_path / "here", *PARTS, "kmodgate")
    with serving(tmp_path, command=command, cwd=here, environment={"PYTHONPATH": path}) as webhook:
        reply = webhook.post(review(large_module(MIB)))
        assert reply.allowed, reply.body
        assert webhook.metric("kmodgate_worker_losses") == 0

"""Where the programs of a control plane come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.api_server.programs import MissingPrograms, Programs, found


def program(file: Path) -> None:
    file.touch(mode=0o755)


def test_they_are_those_that_make_built_unless_others_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl", "kube-controller-manager"):
        program(tmp_path / name)
    monkeypatch.setattr("tests.e2e.api_server.programs.BUILT", tmp_path)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)

    assert found() == Programs(tmp_path)
    assert found().controller_manager == tmp_path / "kube-controller-manager"


def test_they_may_come_without_controllers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        program(tmp_path / name)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert found() == Programs(tmp_path)
    assert found().controller_manager is None


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "etcd")
    (tmp_path / "kubectl").touch(mode=0o644)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    with pytest.raises(MissingPrograms, match=r": kube-apiserver, kubectl; KUBEBUILDER_ASSETS names another folder$"):
        found()

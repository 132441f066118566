"""Job templates of IMS in a chart are judged as live ones are, though the files around them are Helm's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import run
from tests.objects.ims_templates import CUSTOMIZE, SETTINGS, as_blocks, config_maps, with_job

CLASS = "      runtimeClassName: $runtime_class\n"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with a template that takes jobs with DKMS out of their VM."""
    text = as_blocks(with_job(config_maps()[CUSTOMIZE], CLASS, "      # " + CLASS.lstrip()))
    text = text.replace(SETTINGS.utils_image, "{{ .Values.utils.repository }}:{{ .Values.utils.tag }}")
    text = text.replace("namespace: services", "namespace: {{ .Values.namespace }}")
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: cray-ims\nversion: 3.33.0\n")
    (tmp_path / "templates/customize.yaml").write_text("{{/*\nA comment\n*/}}\n" + text)
    (tmp_path / "templates/other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .x }}}\n")
    return tmp_path


def test_the_finding_is_on_its_line_of_the_chart(chart: Path) -> None:
    lines = (chart / "templates/customize.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "# runtimeClassName" in text)
    done = run("check", ".", cwd=chart)
    assert done.returncode == 1
    assert f"templates/customize.yaml:{line}:1: error[IMS204]" in done.stdout
    assert done.stdout.count("error[") == 1


def test_other_files_of_the_chart_are_passed_over(chart: Path) -> None:
    assert "2 files passed over" in run("check", ".", cwd=chart).stderr


def test_a_file_that_is_named_is_read_too(chart: Path) -> None:
    assert "IMS204" in run("check", "templates/customize.yaml", cwd=chart).stdout

"""One driver that clusters get in different ways: overrides change the delivery."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.command import run
from tests.renderer.importer.import_runs import module
from tests.renderer.importer.translating.old_objects import rendered, spec_of
from tests.renderer.importer.translating.test_daemon_sets import KERNELS, daemon_set


def test_a_module_here_and_a_daemon_set_there_are_one_driver(here: Path) -> None:
    (here / "paris.yaml").write_text(module().replace("kmm-tests", "drivers"))
    (here / "lyon.yaml").write_text(yaml.safe_dump(daemon_set()))
    result = run("import", "--cluster=paris=paris.yaml", "--cluster=lyon=lyon.yaml", "--output=fleet", cwd=here)
    assert result.returncode == 0, result.stderr
    patches = [item["patch"] for item in spec_of(here, "nic")["overrides"] if item["clusters"] == {"names": ["lyon"]}]
    assert any(patch.get("delivery") == "daemonset" for patch in patches)
    [made] = rendered(here, "DaemonSet")
    assert made["metadata"]["annotations"]["kmodgate.io/kernel"] == KERNELS[0]
    assert len(rendered(here, "Module")) == 1

"""Fields and side effects that specs cannot express: import reports each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.command import run
from tests.renderer.importer.import_runs import imported, module

LOST = {
    "metadata.annotations[example.com/note]": ("  name: nic", "  name: nic\n  annotations: {example.com/note: x}"),
    "metadata.labels[app.kubernetes.io/managed-by]": ("  name: nic", "  name: nic\n  labels: {app.kubernetes.io/managed-by: Helm}"),
    "metadata.annotations[argocd.argoproj.io/sync-options]": ("  name: nic", "  name: nic\n  annotations: {argocd.argoproj.io/sync-options: Replace=true}"),
    "metadata.annotations[argocd.argoproj.io/compare-options]": ("  name: nic", "  name: nic\n  annotations: {argocd.argoproj.io/compare-options: x}"),
    "spec.nodeName": ("spec:\n", "spec:\n  nodeName: x\n"),
    "spec.moduleLoader.container.modprobe.rawArgs": ("moduleName: acme_dummy", "moduleName: acme_dummy, rawArgs: {}"),
}  # fmt: skip


@pytest.mark.parametrize("field", LOST)
def test_what_no_spec_can_say_is_listed_and_written_into_the_spec(field: str, here: Path) -> None:
    (here / "module.yaml").write_text(module().replace(*LOST[field], 1))
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=1)
    assert re.search(
        rf"^module\.yaml:\d+:\d+: warning\[IMP00[23]\] Module kmm-tests/nic: {re.escape(field)}: not carried over",
        result.stderr,
        re.MULTILINE,
    )
    assert f"# - {field}: " in (here / "fleet/drivers/nic.yaml").read_text()


def test_a_module_that_no_spec_can_say_does_not_keep_the_others_back(here: Path) -> None:
    (here / "two.yaml").write_text(
        module("nic") + "---\n" + module("gpu").replace("modprobe: {moduleName: acme_dummy}", "modprobe: {}")
    )
    result = imported(here, "--cluster=paris=two.yaml", "--output=fleet", code=1)
    assert re.search(
        r"two\.yaml:\d+:\d+: warning\[IMP001\] Module kmm-tests/gpu: spec\.moduleLoader\.container\.modprobe: not imported",
        result.stderr,
    )
    assert [path.name for path in (here / "fleet/drivers").iterdir()] == ["nic.yaml"]


def test_what_render_would_refuse_is_told_and_commented(here: Path) -> None:
    (here / "module.yaml").write_text(module(tag="1${KERNEL_XYZ"))
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet", code=1)
    assert "drivers/nic.yaml:" in result.stderr
    assert "render refuses" in result.stderr
    text = (here / "fleet/drivers/nic.yaml").read_text()
    assert "# review: render refuses this: " in text
    line = int(re.search(r"drivers/nic\.yaml:(\d+)", result.stderr)[1])  # type: ignore[index]
    assert "${KERNEL_XYZ" in text.splitlines()[line - 1]


def test_drivers_that_a_new_cluster_would_get_are_named(here: Path) -> None:
    (here / "old.yaml").write_text(module().replace("name: nic", "name: old"))
    (here / "new.yaml").write_text(module())
    imported(here, "old.yaml", "--output=fleet")
    result = imported(here, "--cluster=fresh=new.yaml", "--output=fleet")
    assert "note: drivers that the fleet had select the new cluster fresh, too: old" in result.stderr
    assert (
        "review: drivers that the fleet had select this cluster, too: old"
        in (here / "fleet/clusters/fresh.yaml").read_text()
    )


def test_a_namespace_that_becomes_privileged_is_named(here: Path) -> None:
    space = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kmm-tests"}})
    (here / "all.yaml").write_text(f"{module()}\n---\n{space}")
    result = imported(here, "--cluster=paris=all.yaml", "--output=fleet")
    assert "note: render labels the namespace kmm-tests pod-security.kubernetes.io/enforce: privileged" in result.stderr
    assert (
        "review: render makes the namespace privileged for Pod Security"
        in (here / "fleet/drivers/nic.yaml").read_text()
    )


EMPTY = {
    "registryTLS": ("      kernelMappings:", "      registryTLS: {}\n      kernelMappings:"),
    "a mapping's": ('containerImage: ""}', 'containerImage: "", registryTLS: {insecure: false}}'),
    "baseImageRegistryTLS": (
        "      kernelMappings:",
        "      build: {dockerfileConfigMap: {name: d}, baseImageRegistryTLS: {}}\n      kernelMappings:",
    ),
}


@pytest.mark.parametrize("place", EMPTY)
def test_settings_that_ask_for_nothing_are_left_out_without_a_word(place: str, here: Path) -> None:
    text = module(tag="1.0-${KERNEL_FULL_VERSION}").replace(*EMPTY[place], 1)
    (here / "module.yaml").write_text(text)
    result = imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    assert "not carried over" not in result.stderr
    assert "TLS" not in (here / "fleet/drivers/nic.yaml").read_text()


def test_an_empty_setting_that_overrules_the_container_stays(here: Path) -> None:
    text = module().replace(*EMPTY["registryTLS"], 1).replace("registryTLS: {}", "registryTLS: {insecure: true}")
    (here / "module.yaml").write_text(text.replace('containerImage: ""}', 'containerImage: "", registryTLS: {}}'))
    imported(here, "--cluster=paris=module.yaml", "--output=fleet")
    spec = yaml.safe_load((here / "fleet/drivers/nic.yaml").read_text())["spec"]
    assert (spec["registryTLS"], spec["kernelMappings"][0]["registryTLS"]) == ({"insecure": True}, {})


BUILD = "build: {dockerfileConfigMap: {name: d}}"
SIGN = "sign: {keySecret: {name: k}, certSecret: {name: c}, filesToSign: [/opt/a.ko], unsignedImage: a.example/b:1}"
IMAGE = 'containerImage: ""'
SIGNED_ELSEWHERE = "neither built nor signed in the cluster: {}; if the images are signed before they are pushed"


def in_container(text: str, more: str) -> str:
    return text.replace("      kernelMappings:", f"      {more}\n      kernelMappings:")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (module(), "nic"),
        (module() + "---\n" + module("gpu"), "gpu, nic"),
        (module() + "---\n" + in_container(module("gpu"), SIGN), "nic"),
        (module() + f"      - {{literal: 5.14.0-1.x86_64, {IMAGE}, {SIGN}}}\n", "nic"),
    ],
)
def test_images_that_may_be_signed_elsewhere_are_a_note(here: Path, text: str, names: str) -> None:
    (here / "module.yaml").write_text(text)
    assert SIGNED_ELSEWHERE.format(names) in imported(here, "--cluster=paris=module.yaml", "--output=fleet").stderr


@pytest.mark.parametrize(
    "text",
    [
        in_container(module(), BUILD),
        in_container(module(), SIGN),
        module().replace(IMAGE, f"{IMAGE}, {SIGN}"),
        module().replace(IMAGE, f"{IMAGE}, {BUILD}"),
    ],
)
def test_images_that_the_cluster_makes_are_none(here: Path, text: str) -> None:
    (here / "module.yaml").write_text(text)
    result = run("import", "--cluster=paris=module.yaml", "--output=fleet", cwd=here)
    assert (here / "fleet/drivers/nic.yaml").is_file(), result.stderr
    assert "signed before" not in result.stderr

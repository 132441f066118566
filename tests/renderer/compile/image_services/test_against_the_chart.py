"""The fragment, applied by a small renderer of our own, gives the expected ims-config: release by release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kmodgate.policy.ims.versions import known_ims_versions
from tests.image_services import ImageServiceFleet
from tests.renderer.compile.image_services.chart import environment, literals, number, places, rendered

EVERYTHING = """\
dkms: {enabled: false}
network: {domain: alps.example.com, subnet: chn, accessPool: site-pool, gateway: {service: gw, namespace: mesh}}
s3: {imsBucket: recipes, bootImagesBucket: images}
timeouts: {s3ConnectSeconds: 61, s3ReadSeconds: 62, workerSeconds: 3601}
namespaces: {jobs: builds}
"""


def service(version: str, spec: str) -> str:
    """A spec of a release with all that it knows."""
    release = number(version)
    if (3, 9, 0) <= release < (3, 9, 6):
        spec = spec.replace("dkms: {enabled: false}\n", "")
    kata = ["runtimeClass: kata-site", *(["aarch64RuntimeClass: kata-arm"] if release >= (3, 9, 0) else [])]
    sizes = [
        *(["imageGiB: 90"] if not (3, 16, 0) <= release < (3, 19, 0) else []),
        *(["memoryGiB: 12"] if release >= (3, 10, 0) and not (3, 16, 0) <= release < (3, 17, 0) else []),
    ]
    more = f"kata: {{{', '.join(kata)}}}\n" + (f"sizes: {{{', '.join(sizes)}}}\n" if sizes else "")
    return f'ims: "{version}"\nowner: loftsman\n{spec}{more if "s3:" in spec else ""}'


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> ImageServiceFleet:
    """One cluster a release: all of them are rendered at once."""
    found = ImageServiceFleet(tmp_path_factory.mktemp("fleet"))
    (found.root / "clusters/alps.yaml").unlink()
    for version in known_ims_versions():
        for prefix, spec in (("all", EVERYTHING), ("none", "")):
            found.site(f"{prefix}-{version}")
            found.service(
                service(version, spec), name=f"{prefix}-{version}", clusters=f"{{names: [{prefix}-{version}]}}"
            )
    found.render()
    return found


def read(fleet: ImageServiceFleet, cluster: str, name: str) -> Any:
    path = fleet.root / "handover" / cluster / "cray-ims" / f"{name}.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else None


@pytest.mark.parametrize("prefix", ["all", "none"])
@pytest.mark.parametrize("version", known_ims_versions())
def test_the_chart_makes_the_expected_config_of_the_fragment(
    fleet: ImageServiceFleet, version: str, prefix: str
) -> None:
    cluster = f"{prefix}-{version}"
    customizations, expected = (read(fleet, cluster, name) for name in ("customizations", "expected-ims-config"))
    assert rendered(version, customizations) == expected["data"]
    assert all(isinstance(value, str) for value in expected["data"].values())


@pytest.mark.parametrize("version", known_ims_versions())
def test_the_fragment_names_only_values_that_the_release_knows(fleet: ImageServiceFleet, version: str) -> None:
    own = read(fleet, f"all-{version}", "customizations")["spec"]["kubernetes"]["services"]["cray-ims"]
    service = own.pop("cray-service")
    assert {f"{first}.{second}" for first, values in own.items() for second in values} <= places(version)
    assert set(service) <= {"podAnnotations", "containers"}


@pytest.mark.parametrize("version", known_ims_versions())
def test_the_service_sees_what_the_spec_says(fleet: ImageServiceFleet, version: str) -> None:
    cluster, release = f"all-{version}", number(version)
    own = read(fleet, cluster, "customizations")["spec"]["kubernetes"]["services"]["cray-ims"]
    overlay = read(fleet, cluster, "ims-config-site")
    config_maps = {"ims-config": read(fleet, cluster, "expected-ims-config")["data"]}
    sources = [{"configMapRef": {"name": "ims-config"}}]
    if overlay is not None:
        config_maps["ims-config-site"] = overlay["data"]
        assert set(overlay["data"]) <= set(literals(release))
        sources = own["cray-service"]["containers"]["cray-ims"]["envFrom"]
    seen = environment(sources, config_maps)
    assert seen["JOB_KATA_RUNTIME"] == "kata-site"
    assert seen["JOB_CUSTOMER_ACCESS_NETWORK_DOMAIN"] == "alps.example.com"
    assert seen["S3_READ_TIMEOUT"] == "62"
    if not (3, 16, 0) <= release < (3, 19, 0):
        assert seen["DEFAULT_IMS_IMAGE_SIZE"] == "90"
    if release >= (3, 10, 0) and not (3, 16, 0) <= release < (3, 17, 0):
        assert seen["DEFAULT_IMS_JOB_MEM_SIZE"] == "12"
    assert "{{" not in Path(fleet.root / "handover" / cluster / "cray-ims/customizations.yaml").read_text()

"""The inputs of a decision for a job in which nothing else goes wrong: what a person asks about, in few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from kmodgate.policy.data_class import dataclass
from kmodgate.policy.ims.service.decision import Decision, decide
from kmodgate.policy.ims.service.records import X86
from kmodgate.policy.ims.service.requests import ARTIFACT, KEY, JobType
from kmodgate.policy.ims.versions import ImsRelease


@dataclass(frozen=True, slots=True)
class Question:
    """One job: `request` and `recipe` are their `require_dkms`, None where they do not say; `is_remote` is whether a
    remote build node of the architecture can take it."""

    release: ImsRelease
    config: Mapping[str, str] = field(hash=False)
    type: JobType
    arch: str = X86
    request: bool | None = None
    recipe: bool | None = None
    recipe_type: str = "kiwi-ng"
    is_remote: bool = False

    def inputs(self) -> dict[str, object]:
        """The inputs of `decide`."""
        body: dict[str, object] = {
            "job_type": self.type,
            "artifact_id": ARTIFACT,
            "public_key_id": KEY,
            "image_root_archive_name": "image",
        }
        if self.request is not None:
            body["require_dkms"] = self.request
        node = {"xname": f"of {self.arch}", "uname": self.arch, "podman": "/usr/bin/podman", "jobs": 0}
        return {
            "ims_config": dict(self.config),
            "record": {
                "kind": "recipe" if self.type == "create" else "image",
                "has_link": True,
                "posted": self._record(),
            },
            "public_key": "ssh-ed25519 AAAA someone",
            "job": body,
            "remote_nodes": [node] if self.is_remote else [],
            "ssh_key_present": True,
        }

    def _record(self) -> dict[str, object]:
        record: dict[str, object] = {"name": "record", "arch": self.arch}
        if self.type == "create":
            record |= {"recipe_type": self.recipe_type, "linux_distribution": "sles15"}
            if self.recipe is not None:
                record["require_dkms"] = self.recipe
        return record

    def answer(self) -> Decision:
        return decide(self.inputs(), self.release)

"""CPU limits of a pod, of whose sum Kata makes a machine.

Sources: README.Kata.md of Cray-HPE/ims; docs/design/vcpu-handling-runtime-go.md of kata-containers/kata-containers.
"""

from __future__ import annotations

from fractions import Fraction

from kmodgate.policy.formats.quantities import cpus
from kmodgate.policy.views.part import Part
from kmodgate.policy.views.pod import PodView

MOST_CPUS = 16
"""CPUs that a machine of Kata may have so that builds in it do not overdrive it."""


def most_cpus(pod: PodView) -> Fraction:
    """The largest sum of CPU limits of containers that run at one time; ephemeral ones have none."""
    running, sidecars, alone = Fraction(0), Fraction(0), Fraction(0)
    for container in pod.spec.maps("containers"):
        running += _limit(container)
    for container in pod.spec.maps("initContainers"):
        if container.text("restartPolicy") == "Always":
            sidecars += _limit(container)
        else:
            alone = max(alone, sidecars + _limit(container))
    return max(running + sidecars, alone)


def _limit(container: Part) -> Fraction:
    return cpus(container.map("resources").map("limits").value.get("cpu")) or Fraction(0)

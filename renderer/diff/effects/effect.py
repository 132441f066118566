"""What a change does to nodes and clusters, and how bad each is."""

from __future__ import annotations

from enum import IntEnum

from kmodgate.policy.findings import Severity

FOR_ALL = "for all nodes|"
"""How the detail of a driver begins that stays on all nodes, since KMM fails at the kernel of one."""

BY_DAEMON_SETS = "daemonsets|"
"""How details begin that are about a driver that DaemonSets load."""


class Effect(IntEnum):
    """What nodes do, the worst first."""

    STUCK = 0
    RECREATE = 1
    RENAME = 2
    LOSE = 3
    UNLOAD = 4
    RELOAD = 5
    REFUSED = 6
    KEPT = 7
    UNKNOWN = 8
    ORDERED = 9
    VERSION = 10
    LOAD = 11
    AWAY = 12
    RESTART = 13
    DEVICE_CLASS = 14
    NEW_CLASS = 15
    BUILD = 16
    MADE_AGAIN = 17
    JOB = 18
    STALE = 19
    NOTHING = 20
    CORDON = 21
    DRAIN = 22
    OPERATOR = 23
    IN_TREE = 24
    REBOOT = 25
    LEFT_BEHIND = 26
    NEXT_BOOT = 27
    PAUSED = 28


SEVERITIES = {
    Effect.STUCK: Severity.ERROR,
    Effect.RECREATE: Severity.ERROR,
    Effect.RENAME: Severity.ERROR,
    Effect.LOSE: Severity.ERROR,
    Effect.UNLOAD: Severity.ERROR,
    Effect.RELOAD: Severity.WARNING,
    Effect.REFUSED: Severity.WARNING,
    Effect.KEPT: Severity.WARNING,
    Effect.UNKNOWN: Severity.WARNING,
    Effect.ORDERED: Severity.INFO,
    Effect.VERSION: Severity.WARNING,
    Effect.LOAD: Severity.INFO,
    Effect.AWAY: Severity.WARNING,
    Effect.RESTART: Severity.WARNING,
    Effect.DEVICE_CLASS: Severity.WARNING,
    Effect.NEW_CLASS: Severity.INFO,
    Effect.BUILD: Severity.INFO,
    Effect.MADE_AGAIN: Severity.WARNING,
    Effect.JOB: Severity.INFO,
    Effect.STALE: Severity.WARNING,
    Effect.NOTHING: Severity.INFO,
    Effect.CORDON: Severity.WARNING,
    Effect.DRAIN: Severity.WARNING,
    Effect.OPERATOR: Severity.WARNING,
    Effect.IN_TREE: Severity.ERROR,
    Effect.REBOOT: Severity.WARNING,
    Effect.LEFT_BEHIND: Severity.WARNING,
    Effect.NEXT_BOOT: Severity.INFO,
    Effect.PAUSED: Severity.INFO,
}

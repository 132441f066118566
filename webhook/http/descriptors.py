"""Open files: each connection is one, and a process that has none left answers no probe.

Source: getrlimit(2) of Linux.
"""

from __future__ import annotations

import resource

MOST = 1 << 16
"""More is asked for by nobody, and some systems have no bound at all."""

RESERVED = 192
"""What is kept for probes and metrics, the API server, worker processes, certificates and logs."""

_LEAST = 16


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def connections_within(limit: int, wanted: int) -> int:
    """How many of the wanted connections a limit of open files has room for, beside what is kept for other things."""
    return max(_LEAST, min(wanted, limit - RESERVED))

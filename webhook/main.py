"""`kmodgate-webhook serve`: settings → servers, until a signal ends them.

The end, step by step: readiness says no, and every reply closes its connection, so that API servers leave for other
replicas while this one goes on listening; after the delay it takes no connection any more, waits for the replies that
are on their way, and ends. A second signal ends it at once. Webhook configurations are left as they are: taking them
away would leave the cluster without policy between two replicas.
"""

from __future__ import annotations

from datetime import timedelta

_ENOUGH_VALIDITY = timedelta(hours=1)
_LOOK_AT_POLICY = 2.0

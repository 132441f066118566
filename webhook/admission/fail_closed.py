"""Path and body → answer, whatever the body is: a bug of ours denies, and says so."""

from __future__ import annotations

import logging
import traceback
from datetime import datetime

from kmodgate.policy.webhook_entries.row import Path
from kmodgate.webhook.admission.admission_review import Request, Unreadable, decode
from kmodgate.webhook.admission.admitter import Admitter
from kmodgate.webhook.admission.answer import Answer
from kmodgate.webhook.cluster.questions import Cluster

log = logging.getLogger(__name__)


async def decide(path: Path, body: bytes, admitter: Admitter, cluster: Cluster, now: datetime) -> Answer:
    """The answer to a review. Raises Unreadable for a body without a uid that could be answered."""
    request = read(body)
    return request if isinstance(request, Answer) else await judged(path, request, admitter, cluster, now)


def read(body: bytes) -> Request | Answer:
    """The request of a body, or the answer to one that is no review. Raises Unreadable where it has no uid either."""
    try:
        return decode(body)
    except Unreadable as error:
        if not error.uid:
            raise
        return Answer(error.uid, problem=(400, "BadRequest", error.message))


async def judged(path: Path, request: Request, admitter: Admitter, cluster: Cluster, now: datetime) -> Answer:
    """The answer to a request."""
    try:
        return await (admitter.mutate if path == "/mutate" else admitter.validate)(request, cluster, now)
    except TimeoutError:
        return too_slow(request.uid, request)
    except Exception as error:
        return failed(request.uid, error, request)


def failed(uid: str, error: Exception, request: Request | None = None) -> Answer:
    """The answer where a bug of ours ended the review, which the log tells of."""
    log.error("a review failed: %s", place_of(error))
    text = f"the review failed: {type(error).__name__}; report this bug of kmodgate, its log has more"
    return Answer(uid, problem=(500, "InternalError", text), request=request)


def place_of(error: BaseException) -> str:
    """Return the type of an error and where it was raised, the innermost calls first.

    The text of an error is left out: it may quote what callers send.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    calls = [f"{frame.filename.rpartition('kmodgate/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames)]
    return f"{type(error).__name__} at {' < '.join(calls)}"


_FRAMES = 8


def too_slow(uid: str, request: Request | None = None, reason: str = "try again") -> Answer:
    """The answer where the API server's time was up before anything was decided."""
    return Answer(uid, problem=(504, "Timeout", f"the review was not decided in time; {reason}"), request=request)

"""`evaluate()` in a process at work, as a webhook calls it: every object different, expressions compiled before."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence

from kmodgate.policy.config import Policy
from kmodgate.policy.engine import Engine
from kmodgate.policy.kmm.defaults import defaulted
from kmodgate.policy.review import Review
from tests.bench.measure import Result
from tests.bench.samples import Object
from tests.objects.modules import TRAITS

_ROUNDS = 5


def evaluate(items: Sequence[Object], policy: Policy) -> Result:
    """Seconds of processor for 1,000 reviews of objects in turn: their defaults, their schema and all rules."""
    engine = Engine(policy)
    times = []
    gc.disable()
    for _ in range(_ROUNDS + 1):
        begin = time.process_time()
        for item in items:
            engine.evaluate(Review(defaulted(item), cluster=TRAITS))
        times.append((time.process_time() - begin) * 1000 / len(items))
    gc.enable()
    best = min(times[1:])
    return Result(statistics.median(times[1:]), best, best, None)

# SPDX-License-Identifier: GPL-2.0-only
"""Detectors: observers of events that know what must not happen in any kernel.

They see steps and the identities of objects, and nothing of what those mean; laws
that know what an mm is are in :mod:`pykmm.invariants`. Explorations run all of them
unless told otherwise. Each is named after Linux's own, if there is one.

A reference count that underflows, saturates or rises from zero is reported by the
counters themselves (:mod:`pykmm.linux.refcount`), and deadlock by the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..errors import UsageError, check_is, choices
from .detector import Campaign, Collect, Detector, Each, Serialized
from .hung_task import HungTaskDetector
from .kasan import Kasan
from .kcsan import Kcsan
from .leak import LeakDetector
from .lockdep import Lockdep, LockGraph
from .rcu import Rcu

__all__ = [
    "DETECTORS",
    "Campaign",
    "Collect",
    "Detector",
    "Each",
    "HungTaskDetector",
    "Kasan",
    "Kcsan",
    "LeakDetector",
    "LockGraph",
    "Lockdep",
    "Rcu",
    "Serialized",
    "campaigns",
]

#: All detectors by name.
DETECTORS: Final[dict[str, Detector]] = {
    detector.name: detector
    for detector in (
        Detector(
            "kasan",
            "reads and writes of freed structures that take no step",
            lambda: Each(Kasan),
        ),
        Detector(
            "kcsan",
            "plain accesses that nothing orders (data races)",
            lambda: Collect(Kcsan),
        ),
        Detector(
            "lockdep",
            "orders of locks that can deadlock, also across executions",
            LockGraph,
        ),
        Detector(
            "rcu",
            "structures used after the read section they were found in",
            lambda: Each(Rcu),
        ),
        Detector(
            "hung_task",
            "lost wake-ups, sleeps without end, and livelocks",
            lambda: Each(HungTaskDetector),
        ),
        Detector(
            "leak",
            "counted structures that nothing leads to any more",
            lambda: Each(LeakDetector),
        ),
    )
}


def campaigns(names: Sequence[str] | None = None) -> list[Campaign]:
    """Begin an exploration with the detectors that *names* names, or with all."""
    if isinstance(names, str):
        raise UsageError(
            f"detectors={names!r} must be a list of names: write [{names!r}]"
        )
    check_is("detectors", names, Sequence | None, "a list of names")
    chosen = list(DETECTORS) if names is None else list(dict.fromkeys(names))
    for name in chosen:
        if name not in DETECTORS:
            raise UsageError(
                f"detectors has {name!r} in it: known are {choices(list(DETECTORS))}"
            )
    return [DETECTORS[name].campaign() for name in chosen]

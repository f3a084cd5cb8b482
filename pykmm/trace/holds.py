# SPDX-License-Identifier: GPL-2.0-only
"""From when to when somebody held a lock, read off a trace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..engine.events import Access

if TYPE_CHECKING:
    from .record import Trace

__all__ = ["Hold", "class_of", "contested", "holds", "lock_orders"]

_TAKES: Final = {Access.ACQUIRE: False, Access.SHARE: True}
_GIVES: Final = (Access.RELEASE, Access.UNSHARE)
_NUMBER: Final = re.compile(r"#\d+|\[[^\]]*\]")


@frozen
class Hold:
    """One hold of a lock: steps *start* to *end*, the one that gave it back.

    *end* is the number of steps if it was never given back.
    """

    lock: str
    thread: str
    start: int
    end: int
    shared: bool


def holds(trace: Trace) -> list[Hold]:
    """Return every hold of a lock, in the order in which they began."""
    open_: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    found = []
    for step in trace.steps:
        # Who leaves a read section takes a step on the section itself, as does who
        # waits for its end: it is called by what was read-locked, and by whose it is.
        lock, _, whose = step.obj.partition(":")
        if whose not in ("", step.thread):
            continue
        key = (step.thread, lock)
        if step.access in _TAKES:
            open_.setdefault(key, []).append((step.index, _TAKES[step.access]))
        elif step.access in _GIVES and open_.get(key):
            start, shared = open_[key].pop()
            found.append(Hold(lock, step.thread, start, step.index, shared))
    for (thread, lock), begun in open_.items():
        found += [Hold(lock, thread, at, len(trace.steps), how) for at, how in begun]
    return sorted(found, key=lambda hold: (hold.start, hold.lock))


def contested(every: list[Hold], at_most: int) -> list[str]:
    """Return the locks that most threads had, longest first, up to *at_most*."""
    threads: dict[str, set[str]] = {}
    length: dict[str, int] = {}
    for hold in every:
        threads.setdefault(hold.lock, set()).add(hold.thread)
        length[hold.lock] = length.get(hold.lock, 0) + hold.end - hold.start
    ranked = sorted(length, key=lambda lock: (-len(threads[lock]), -length[lock], lock))
    return ranked[:at_most]


def class_of(lock: str) -> str:
    """Return the name of all locks that are the same part of the same structure."""
    return _NUMBER.sub("", lock)


def lock_orders(trace: Trace) -> Iterator[tuple[str, str]]:
    """Yield each pair of classes of which the second was taken under the first."""
    every = holds(trace)
    seen: dict[tuple[str, str], None] = {}
    for inner in every:
        for outer in every:
            if outer.thread == inner.thread and outer.start < inner.start < outer.end:
                seen.setdefault((class_of(outer.lock), class_of(inner.lock)))
    return iter(sorted(seen))

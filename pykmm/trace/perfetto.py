# SPDX-License-Identifier: GPL-2.0-only
"""A trace as trace-event JSON, which the Perfetto UI and other viewers open.

Each thread is a lane of nested calls, each lock that somebody held is a lane of its
own, and counters are curves. A step is a microsecond.

The format is Google's "Trace Event Format".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ..engine.events import Access
from .calls import Calls
from .holds import holds
from .watch import short_names

if TYPE_CHECKING:
    from .record import Step, Trace

__all__ = ["perfetto", "trace_events"]

_THREADS, _LOCKS, _COUNTERS = 1, 2, 3
_COUNTS: Final = (Access.ADD, Access.INC, Access.DEC)


def perfetto(trace: Trace) -> str:
    """Write *trace* as a JSON document."""
    document = {"displayTimeUnit": "ns", "traceEvents": list(trace_events(trace))}
    return json.dumps(document, indent=1) + "\n"


def trace_events(trace: Trace) -> Iterator[dict[str, Any]]:
    """Yield the events of the document."""
    lanes = {thread: lane for lane, thread in enumerate(trace.threads, 1)}
    yield _named("process_name", _THREADS, 0, "threads")
    for thread, lane in lanes.items():
        yield _named("thread_name", _THREADS, lane, thread)
        yield from _calls(trace, thread, lane)
    yield from _locks(trace)
    yield from _counters(trace)
    if trace.ending is not None:
        lane = lanes.get(trace.ending.thread, 0)
        yield {
            "name": f"{trace.ending.kind}: {trace.ending.summary}",
            "ph": "i",
            "s": "g",
            "pid": _THREADS,
            "tid": lane,
            "ts": len(trace.steps),
        }


def _named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}


def _slice(
    name: str, pid: int, tid: int, start: int, end: int, **args: str
) -> dict[str, Any]:
    found = {"name": name, "ph": "X", "pid": pid, "tid": tid}
    return {**found, "ts": start, "dur": max(end - start, 1), "args": args}


def _calls(trace: Trace, thread: str, lane: int) -> Iterator[dict[str, Any]]:
    """Yield the calls of *thread*, which go on while others take steps."""
    calls = Calls(trace)
    open_: list[tuple[str, int]] = []
    last = 0
    for step in trace.steps:
        if step.thread != thread:
            continue
        path = calls.path(step)
        common = _common([name for name, _ in open_], path)
        while len(open_) > common:
            name, start = open_.pop()
            yield _slice(name, _THREADS, lane, start, last)
        open_ += [(name, step.index) for name in path[common:]]
        yield _slice(
            step.kind, _THREADS, lane, step.index, step.index + 1, **_told(step)
        )
        last = step.index + 1
    while open_:
        name, start = open_.pop()
        yield _slice(name, _THREADS, lane, start, last)


def _told(step: Step) -> dict[str, str]:
    return {"object": step.obj, "value": step.value, "access": step.access.name}


def _common(a: list[str], b: tuple[str, ...]) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((n for n, (x, y) in pairs if x != y), min(len(a), len(b)))


def _locks(trace: Trace) -> Iterator[dict[str, Any]]:
    """Yield a lane for each lock and thread: shared holds overlap."""
    names = short_names(trace)
    lanes: dict[tuple[str, str], int] = {}
    yield _named("process_name", _LOCKS, 0, "locks")
    for hold in holds(trace):
        key = (hold.lock, hold.thread)
        if key not in lanes:
            lanes[key] = len(lanes) + 1
            label = f"{names.get(hold.lock, hold.lock)}: {hold.thread}"
            yield _named("thread_name", _LOCKS, lanes[key], label)
        how = "shared" if hold.shared else "exclusive"
        yield _slice(
            f"{hold.thread} ({how})", _LOCKS, lanes[key], hold.start, hold.end + 1
        )


def _counters(trace: Trace) -> Iterator[dict[str, Any]]:
    counted = {step.obj for step in trace.steps if step.access in _COUNTS}
    yield _named("process_name", _COUNTERS, 0, "counters")
    for step in trace.steps:
        if step.obj in counted and step.value.lstrip("-").isdigit():
            yield {
                "name": step.obj,
                "ph": "C",
                "pid": _COUNTERS,
                "ts": step.index,
                "args": {"value": int(step.value)},
            }

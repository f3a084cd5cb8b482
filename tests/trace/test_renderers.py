# SPDX-License-Identifier: GPL-2.0-only
"""The same trace as SVG, trace events, tracefs text and graphs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from pykmm.trace import Trace
from pykmm.trace.ftrace import ftrace
from pykmm.trace.graph import dot, lock_order_dot, lock_order_mermaid, mermaid
from pykmm.trace.holds import Hold, class_of, contested, holds
from pykmm.trace.perfetto import perfetto
from pykmm.trace.timeline import timeline_svg

if TYPE_CHECKING:
    from types import ModuleType

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def sections(toys: ModuleType) -> Trace:
    """Two threads take two locks, one inside the other, and let go."""
    from pykmm.engine import Mutex

    def setup(m: Any) -> None:
        outer, inner = Mutex(), Mutex()

        def body() -> None:
            with outer, inner:
                pass

        m.thread("a", body)
        m.thread("b", body)

    trace: Trace = toys.run(setup, "a*3")[0]
    return trace


def test_a_hold_lasts_from_taking_to_giving_back(sections: Trace) -> None:
    assert [(h.lock, h.thread, h.start, h.end) for h in holds(sections)] == [
        ("Mutex#1", "a", 1, 4),
        ("Mutex#2", "a", 2, 3),
        ("Mutex#1", "b", 6, 9),
        ("Mutex#2", "b", 7, 8),
    ]


def test_a_read_section_ends_where_it_is_left_and_waiting_for_it_is_no_hold(
    toys: ModuleType,
) -> None:
    from pykmm.linux.rcupdate import rcu, synchronize_rcu
    from pykmm.linux.srcu import (
        srcu_read_lock,
        srcu_read_unlock,
        srcu_struct,
        synchronize_srcu,
    )

    def setup(m: Any) -> None:
        ssp = srcu_struct()

        def reads() -> None:
            with rcu():
                srcu_read_unlock(ssp, srcu_read_lock(ssp))

        def waits() -> None:
            synchronize_rcu()
            synchronize_srcu(ssp)

        m.thread("reader", reads)
        m.thread("waiter", waits)

    trace = toys.run(setup, "reader*3 waiter*2 reader*2 waiter")[0]
    assert [(h.lock, h.thread, h.start, h.end) for h in holds(trace)] == [
        ("rcu", "reader", 1, 6),
        ("srcu_struct#1", "reader", 2, 5),
    ]


def test_most_contested_locks_come_first() -> None:
    every = [
        Hold("x", "a", 0, 9, False),
        Hold("y", "a", 0, 2, False),
        Hold("y", "b", 3, 4, False),
    ]
    assert contested(every, 5) == ["y", "x"]
    assert contested(every, 1) == ["y"]


def test_classes_forget_which_one() -> None:
    assert class_of("mm_struct#2.pte[0x8000].ptl") == "mm_struct.pte.ptl"


def test_lock_order_graphs(sections: Trace) -> None:
    assert lock_order_dot(sections) == (
        'digraph "lock order" {\n  node [shape=box];\n  "Mutex" -> "Mutex";\n}\n'
    )
    assert lock_order_mermaid(sections) == 'graph TD\n  n0["Mutex"]\n  n0 --> n0\n'


def test_graphs_quote_what_they_must() -> None:
    assert '"a\\"b"' in dot("g", [('a"b', "c")])
    assert mermaid([("x", "y"), ("y", "z")]).count("-->") == 2


def test_tracefs_text_has_a_line_a_step(sections: Trace) -> None:
    lines = [line for line in ftrace(sections).splitlines() if line[0] != "#"]
    assert len(lines) == len(sections.steps)
    assert lines[1] == (
        "               a-1       [000]     0.000001: lock: obj=Mutex#1 value=a"
    )


def test_trace_events_nest_and_count(toys: ModuleType, sections: Trace) -> None:
    events = json.loads(perfetto(sections))["traceEvents"]
    lanes = {
        e["args"]["name"]
        for e in events
        if e["ph"] == "M" and e["name"] == "thread_name"
    }
    assert {"a", "b", "Mutex#1: a", "Mutex#2: b"} <= lanes
    slices = [e for e in events if e["ph"] == "X"]
    for one in slices:
        for other in slices:
            assert _nest_or_part(one, other), (one, other)


def _nest_or_part(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Viewers need slices of one lane to lie beside or inside of each other."""
    if (a["pid"], a["tid"]) != (b["pid"], b["tid"]):
        return True
    starts, ends = (a["ts"], b["ts"]), (a["ts"] + a["dur"], b["ts"] + b["dur"])
    apart = max(starts) >= min(ends)
    inside = starts[0] <= starts[1] and ends[0] >= ends[1]
    return apart or inside or (starts[1] <= starts[0] and ends[1] >= ends[0])


def test_a_timeline_is_a_document_with_a_lane_a_thread(sections: Trace) -> None:
    root = ElementTree.fromstring(timeline_svg(sections, title="a & b"))
    words = [text.text for text in root.findall(f"{SVG}text")]
    assert "a & b" in words
    assert words.count("a") == words.count("b") == 1
    bars = [r for r in root.findall(f"{SVG}rect") if r.find(f"{SVG}title") is not None]
    assert len(bars) == 4


def test_a_timeline_shows_where_it_broke(toys: ModuleType) -> None:
    from pykmm.engine import Mutex

    def setup(m: Any) -> None:
        x, y = Mutex(), Mutex()

        def take(first: Mutex, second: Mutex) -> None:
            with first, second:
                pass

        m.thread("a", lambda: take(x, y))
        m.thread("b", lambda: take(y, x))

    trace = toys.run(setup, "a*2 b*2")[0]
    assert trace.ending is not None
    assert "deadlock" in timeline_svg(trace)


def test_nothing_can_be_drawn_as_well() -> None:
    empty = Trace()
    assert ElementTree.fromstring(timeline_svg(empty)) is not None
    assert json.loads(perfetto(empty))["traceEvents"]
    assert ftrace(empty).startswith("# tracer: nop")
    assert "digraph" in lock_order_dot(empty)


def test_notebooks_show_the_timeline(sections: Trace) -> None:
    assert sections._repr_svg_() == timeline_svg(sections)

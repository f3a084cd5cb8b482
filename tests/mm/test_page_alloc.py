# SPDX-License-Identifier: GPL-2.0-only
"""Free pages: numbers on nodes, watermarks, and which steps on them commute."""

from __future__ import annotations

import pytest

from pykmm.engine import Access
from pykmm.errors import KernelBug
from pykmm.linux.gfp_types import __GFP_THISNODE, GFP_KERNEL
from pykmm.linux.mmzone import (
    NODE_DATA,
    high_wmark_pages,
    low_wmark_pages,
    min_wmark_pages,
)
from pykmm.mm.page_alloc import Pages, __alloc_pages, __free_pages, nr_free_pages


def _take(want, nid=0, order=0, nodes=None, gfp=GFP_KERNEL):
    return __alloc_pages(gfp, order, nid, nodes, want=want)


def test_pages_come_from_the_preferred_node_then_from_the_next(boot):
    with boot(10, 20, 5, audit=False):
        assert _take(4, 1) == Pages(4, 1)
        assert _take(16, 1) == Pages(16, 1)
        assert _take(5, 1) == Pages(5, 2)
        assert _take(10, 1) == Pages(10, 0)
        assert _take(1, 1) is None
        assert nr_free_pages() == 0
        __free_pages(20, 1)
        assert [NODE_DATA(nid).nr_free_pages.nr for nid in range(3)] == [0, 20, 0]


def test_who_asks_for_many_gets_what_one_node_has(boot):
    with boot(10, 20, audit=False):
        assert _take(15, 0) == Pages(10, 0)
        assert _take(3, 0, order=2) == Pages(12, 1)
        assert _take(3, 0, order=2) == Pages(8, 1)
        assert _take(1, 0) is None


def test_a_nodemask_and_thisnode_keep_an_allocation_at_home(boot):
    with boot(10, 20, audit=False):
        assert _take(1, 0, nodes=frozenset({1})) == Pages(1, 1)
        assert _take(10, 0) == Pages(10, 0)
        assert _take(1, 0, gfp=GFP_KERNEL | __GFP_THISNODE) is None


def test_more_free_pages_than_there_are_is_a_double_free(boot):
    with boot(10, audit=False):
        assert _take(3)
        __free_pages(3, 0)
        with pytest.raises(KernelBug, match=r"11 of 10 pages free"):
            __free_pages(1, 0)


# -- watermarks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "kbytes", "marks"),
    [
        # 4 * sqrt(256 MiB) is 2 MiB; a quarter of it between the marks.
        ((65536,), None, [(512, 640, 768)]),
        # Two nodes share it by their size.
        ((49152, 16384), None, [(384, 480, 576), (128, 160, 192)]),
        # At least 128 KiB, at most 256 MiB, where the distance is 0.1 % of the node.
        ((64,), None, [(32, 40, 48)]),
        ((1 << 31,), None, [(65536, 2213019, 4360502)]),
        # The administrator's choice.
        ((65536,), 4096, [(1024, 1280, 1536)]),
        ((65536,), 0, [(0, 65, 130)]),
    ],
)
def test_watermarks(boot, nodes, kbytes, marks):
    with boot(*nodes, min_free_kbytes=kbytes):
        zones = [NODE_DATA(nid) for nid in range(len(nodes))]
        assert [
            (min_wmark_pages(z), low_wmark_pages(z), high_wmark_pages(z)) for z in zones
        ] == marks


def test_the_fast_path_stops_at_the_low_mark(boot):
    # The host can wait for nobody, so for it there is no slow path.
    with boot(64, min_free_kbytes=None, audit=False):
        assert _take(30) == Pages(24, 0)
        assert nr_free_pages() == 40
        assert _take(1) is None


# -- steps -----------------------------------------------------------------------------


def _accesses(machine, *bodies):
    """Run the bodies one after the other; return the classes of their steps."""
    for number, body in enumerate(bodies):
        machine.thread(f"t{number}", body)
    machine.run()
    return [e.access for e in machine.events if e.kind != "start"]


def test_allocations_commute_while_memory_lasts_in_any_order(boot):
    with boot(100, audit=False) as machine:
        steps = _accesses(
            machine,
            lambda: _take(40),
            lambda: __free_pages(40, 0),
            lambda: _take(60),
        )
        assert steps == [Access.ADD, Access.ADD, Access.ADD]


def test_an_allocation_that_needs_a_free_is_ordered_behind_it(boot):
    with boot(100, audit=False) as machine:
        steps = _accesses(
            machine,
            lambda: _take(60),
            lambda: __free_pages(60, 0),
            lambda: _take(50),
            lambda: _take(1),
            lambda: _take(99),
        )
        assert steps == [
            Access.ADD,
            Access.ADD,
            Access.WRITE,
            Access.WRITE,
            Access.WRITE,
        ]
        assert nr_free_pages() == 0


def test_near_the_marks_the_order_counts(boot):
    # Down to 48 nobody minds any mark; below, who comes first may be the last.
    with boot(64, min_free_kbytes=None, audit=False) as machine:
        steps = _accesses(
            machine, lambda: _take(16), lambda: _take(1), lambda: _take(99)
        )
        assert steps == [Access.ADD, Access.WRITE, Access.WRITE]


def test_a_failure_has_only_read(boot):
    with boot(10, audit=False) as machine:
        assert _accesses(machine, lambda: _take(1, order=4)) == [Access.READ]

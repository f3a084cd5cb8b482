# SPDX-License-Identifier: GPL-2.0-only
"""Free pages: numbers on nodes, and which steps on them commute."""

from __future__ import annotations

import pytest

from pykmm.engine import Access
from pykmm.errno import ENOMEM
from pykmm.errors import KernelBug
from pykmm.linux.mmzone import NODE_DATA
from pykmm.mm.page_alloc import __free_pages, _alloc_bulk, nr_free_pages


def test_pages_come_from_the_preferred_node_then_from_the_next(boot):
    with boot(10, 20, 5, audit=False):
        assert _alloc_bulk(4, 1) == 1
        assert _alloc_bulk(16, 1) == 1
        assert _alloc_bulk(5, 1) == 2
        assert _alloc_bulk(10, 1) == 0
        assert _alloc_bulk(1, 1) == -ENOMEM
        assert nr_free_pages() == 0
        __free_pages(20, 1)
        assert [NODE_DATA(nid).nr_free_pages.nr for nid in range(3)] == [0, 20, 0]


def test_more_free_pages_than_there_are_is_a_double_free(boot):
    with boot(10, audit=False):
        assert _alloc_bulk(3, 0) == 0
        __free_pages(3, 0)
        with pytest.raises(KernelBug, match=r"11 of 10 pages free"):
            __free_pages(1, 0)


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
            lambda: _alloc_bulk(40, 0),
            lambda: __free_pages(40, 0),
            lambda: _alloc_bulk(60, 0),
        )
        assert steps == [Access.ADD, Access.ADD, Access.ADD]


def test_an_allocation_that_needs_a_free_is_ordered_behind_it(boot):
    with boot(100, audit=False) as machine:
        steps = _accesses(
            machine,
            lambda: _alloc_bulk(60, 0),
            lambda: __free_pages(60, 0),
            lambda: _alloc_bulk(50, 0),
            lambda: _alloc_bulk(1, 0),
            lambda: _alloc_bulk(99, 0),
        )
        assert steps == [Access.ADD, Access.ADD, Access.DEC, Access.DEC, Access.READ]

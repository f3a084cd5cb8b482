# SPDX-License-Identifier: GPL-2.0-only
"""How deep into the reserves an allocation may go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pykmm.linux.gfp_types import (
    __GFP_HIGH,
    __GFP_MEMALLOC,
    __GFP_NOMEMALLOC,
    __GFP_NORETRY,
    __GFP_NOWARN,
    GFP_ATOMIC,
    GFP_KERNEL,
    GFP_NOWAIT,
)
from pykmm.linux.sched import PF_MEMALLOC, current
from pykmm.mm.page_alloc import nr_free_pages
from tests.mm.shortage import (
    MIN,
    PAGES,
    Taken,
    asks,
    be_a_victim,
    be_nobody,
    booted,
    says,
)


def be_reclaiming() -> None:
    current().flags |= PF_MEMALLOC


@pytest.mark.parametrize(
    ("who", "gfp", "left"),
    [
        (be_nobody, GFP_KERNEL | __GFP_NORETRY, MIN),
        (be_nobody, GFP_NOWAIT, MIN),
        (be_nobody, GFP_KERNEL | __GFP_NORETRY | __GFP_HIGH, MIN // 2),
        (be_nobody, GFP_ATOMIC, MIN // 2 - MIN // 8),
        (be_nobody, GFP_ATOMIC | __GFP_NOMEMALLOC, MIN // 2),
        (be_nobody, GFP_KERNEL | __GFP_NORETRY | __GFP_MEMALLOC, 0),
        (
            be_nobody,
            GFP_KERNEL | __GFP_NORETRY | __GFP_MEMALLOC | __GFP_NOMEMALLOC,
            MIN,
        ),
        (be_a_victim, GFP_KERNEL, MIN // 2),
        (be_a_victim, GFP_KERNEL | __GFP_NOMEMALLOC, MIN),
        (be_a_victim, GFP_NOWAIT, MIN // 2),
        (be_reclaiming, GFP_KERNEL, 0),
        (be_reclaiming, GFP_KERNEL | __GFP_NOMEMALLOC, MIN),
    ],
)
def test_who_may_use_which_reserves(
    who: Callable[[], None], gfp: int, left: int
) -> None:
    with booted() as m:

        def body() -> int:
            taken = Taken()
            who()
            found = taken.take_all(gfp | __GFP_NOWARN)
            taken.give_back()
            current().flags &= ~PF_MEMALLOC
            return found

        asker = asks(m, body)
        m.run()
        assert asker.result == left
        assert says("Killed") == []


def test_without_an_mmu_only_the_marked_thread_has_reserves_and_all_of_them() -> None:
    with booted(CONFIG_MMU=False) as m:

        def body() -> int:
            taken = Taken()
            be_a_victim()
            left = taken.take_all(GFP_KERNEL | __GFP_NOWARN)
            taken.give_back()
            return left

        asker = asks(m, body)
        m.run()
        assert asker.result == 0


def test_a_victim_that_is_out_of_reserves_fails_and_says_so() -> None:
    with booted() as m:

        def body() -> None:
            taken = Taken()
            be_a_victim()
            taken.take_all(GFP_KERNEL)
            taken.give_back()

        asks(m, body)
        m.run()
        (line,) = says("failure")
        assert line == (
            "asker: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), "
            "nodemask=(null),cpuset=/,mems_allowed=0"
        )


def test_a_large_block_needs_its_own_pages_above_the_mark() -> None:
    with booted() as m:

        def body() -> list[object]:
            taken = Taken()
            taken.take(GFP_KERNEL, want=16)
            found = [
                taken.take(GFP_KERNEL | __GFP_NORETRY, order) for order in (4, 4, 3)
            ]
            taken.give_back()
            return [*found, nr_free_pages()]

        asker = asks(m, body)
        m.run()
        # 48 pages less 16 leave just the mark; then there is no room for any block.
        assert asker.result == [True, False, False, PAGES]

# SPDX-License-Identifier: GPL-2.0-only
"""What reclaim meets: every order of it and of who uses or changes a mapping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm import Scenario, explore
from pykmm.boot import Region
from pykmm.engine import Config, Timers
from pykmm.linux.uapi import PROT_READ
from pykmm.linux.uapi_mman import (
    MADV_DONTNEED,
    MADV_PAGEOUT,
    MADV_RANDOM,
    MREMAP_MAYMOVE,
)
from pykmm.mm._conservation import _books
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.syscalls import (
    exit_group,
    fork,
    madvise,
    mlock,
    mprotect,
    mremap,
    munlock,
    munmap,
    touch,
)
from pykmm.workbench import Machine
from tests.equivalence import what_equivalents_show

PAGE = 4096
SIZE: Final = 4 * PAGE

#: What a program does to its one mapping, given where that is.
Call = Callable[[int], object]
#: How many of its pages are in memory and in swap; and what reclaim got.
Outcome = tuple[tuple[int, int] | None, int]

CALLS: Final[dict[str, Call]] = {
    "reads": lambda at: touch(at, PAGE, False),
    "writes": lambda at: touch(at, 3 * PAGE),
    "unmaps": lambda at: munmap(at, SIZE),
    "cuts": lambda at: munmap(at + PAGE, PAGE),
    "drops": lambda at: madvise(at, SIZE, MADV_DONTNEED),
    "pages_out": lambda at: madvise(at, SIZE, MADV_PAGEOUT),
    "skips": lambda at: madvise(at, SIZE, MADV_RANDOM),
    "locks": lambda at: mlock(at, SIZE),
    "unlocks": lambda at: munlock(at, SIZE),
    "protects": lambda at: mprotect(at, PAGE, PROT_READ),
    "moves": lambda at: mremap(at, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE),
    "forks": lambda _: fork(lambda: exit_group(0)),
    "shares": lambda at: fork(lambda: touch(at, PAGE)),
    "exits": lambda _: exit_group(0),
}


def meeting(names: tuple[str, ...], kind: str = "anon", swapped: int = 0) -> Scenario:
    """Let a process make calls on a mapping of four pages while one is reclaimed."""

    def meet(m: Machine) -> Outcome:
        kinds = Region(
            kind,
            SIZE,
            shared=kind != "anon",
            populated=(2 - swapped) * PAGE,
            swapped=swapped * PAGE,
        )
        user, reclaim = m.spawn("user", regions=[kinds]), m.spawn("reclaim")

        @user.runs
        def _() -> None:
            for name in names:
                CALLS[name](user.memory[0].start)

        reclaim.runs(lambda: try_to_free_pages(1, frozenset({0})))
        m.run()
        assert _books() == []
        freed = reclaim.result
        assert isinstance(freed, int)
        if user.mm is None:
            return None, freed
        pages, slots = (user.mm.rss_stat[member].counter for member in (1, 2))
        return (pages, slots), freed

    config = Config(node_pages=(256,), total_swap_pages=16, timers=Timers.IDLE)
    return Scenario(name="reclaim", function=meet, config=config)


def name(names: tuple[str, ...]) -> str:
    return "-".join(names)


#: Two pages are in memory, or in swap, of which reclaim wants one.
IN_MEMORY: dict[tuple[str, ...], set[Outcome]] = {
    ("reads",): {((2, 0), 1), ((1, 1), 1)},
    ("writes",): {((3, 0), 1), ((2, 1), 1)},
    ("unmaps",): {((0, 0), 0), ((0, 0), 1)},
    ("drops", "reads"): {((0, 0), 0), ((0, 0), 1)},
    # What is paged out already is left alone, unless it has been read back.
    ("pages_out", "reads"): {((1, 1), 0), ((1, 1), 1), ((0, 2), 1)},
    # Nothing is in swap when mlock() comes back, whatever was before.
    ("locks",): {((4, 0), 0), ((4, 0), 1)},
    ("moves",): {((1, 1), 1)},
    ("skips",): {((1, 1), 1)},
    ("exits",): {(None, 0), (None, 1)},
    ("forks",): {((1, 1), 1)},
}
IN_SWAP: dict[tuple[str, ...], set[Outcome]] = {
    ("reads",): {((1, 1), 0), ((0, 2), 1)},
    ("writes",): {((3, 0), 0), ((2, 1), 1)},
}


def values(scenario: Scenario, scheduler: str, bound: int | None) -> set[object]:
    result = explore(scenario, scheduler=scheduler, bound=bound)
    assert result.complete or result.reason == f"complete within bound {bound}"
    assert not result.reports
    assert bound or not result.blocked
    return {found.value for found in result.outcomes}


@pytest.mark.parametrize("names", IN_MEMORY, ids=name)
def test_every_order_of_a_call_and_reclaim(names: tuple[str, ...]) -> None:
    assert values(meeting(names), "dpor", None) == IN_MEMORY[names]


@pytest.mark.parametrize("names", IN_SWAP, ids=name)
def test_every_order_of_a_fault_on_swapped_pages_and_reclaim(
    names: tuple[str, ...],
) -> None:
    assert values(meeting(names, swapped=2), "dpor", None) == IN_SWAP[names]


@pytest.mark.parametrize(
    "names", [("reads",), ("unmaps",), ("locks",), ("skips",)], ids=name
)
def test_brute_force_finds_the_same(names: tuple[str, ...]) -> None:
    found = values(meeting(names), "dfs", 2)
    assert found == values(meeting(names), "dpor", 2) == IN_MEMORY[names]


@settings(max_examples=6)
@given(
    names=st.lists(
        st.sampled_from(["reads", "writes", "unmaps", "cuts", "drops", "locks"]),
        min_size=1,
        max_size=1,
    ).map(tuple),
    kind=st.sampled_from(["anon", "file", "shmem"]),
)
def test_brute_force_finds_nothing_else_for_any_call(
    names: tuple[str, ...], kind: str
) -> None:
    """Every interleaving with one preemption comes to what reduction has found."""
    scenario = meeting(names, kind)
    assert values(scenario, "dfs", 1) <= values(scenario, "dpor", None)


# -- what reduction takes for granted --------------------------------------------------


@settings(max_examples=60)
@given(
    names=st.lists(st.sampled_from([*CALLS]), min_size=1, max_size=3).map(tuple),
    kind=st.sampled_from(["anon", "anon", "file", "shmem"]),
    seed=st.integers(0, 1 << 20),
)
def test_steps_that_do_not_conflict_can_be_swapped(
    names: tuple[str, ...], kind: str, seed: int
) -> None:
    swapped = seed % 2 if kind == "anon" else 0
    assert what_equivalents_show(meeting(names, kind, swapped), seed, 5) == []


def shortage(m: Machine) -> tuple[object, ...]:
    """Let two programs want more memory than there is, with swap for some of it."""
    box = m.cgroup("box", memory_max=10 * PAGE)
    users = [
        m.spawn(f"user{n}", regions=[Region("anon", 16 * PAGE, populated=0)], memcg=box)
        for n in range(2)
    ]
    for user in users:
        user.runs(
            lambda at=user.memory[0].start: touch(at, 6 * PAGE) or munmap(at, PAGE)
        )
    m.run()
    assert _books() == []
    return tuple(user.result for user in users)


@pytest.mark.parametrize("slots", [2, 32])
@pytest.mark.parametrize("seed", range(10))
def test_so_can_those_of_programs_that_are_short_of_memory(
    slots: int, seed: int
) -> None:
    config = Config(node_pages=(256,), total_swap_pages=slots, timers=Timers.IDLE)
    scenario = Scenario(name="shortage", function=shortage, config=config)
    assert what_equivalents_show(scenario, seed, 10) == []

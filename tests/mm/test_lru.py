# SPDX-License-Identifier: GPL-2.0-only
"""The lists on which reclaim finds what leads to pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import explore
from pykmm.engine import Config, Machine
from pykmm.kernel.fork import mm_alloc
from pykmm.linux.rmap import anon_vma
from pykmm.mm._conservation import _books
from pykmm.mm._lru import Lru
from pykmm.mm.mmap import _map_region
from pykmm.mm.swap import _anon_lru

PAGE = 4096


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with Machine(Config(total_swap_pages=16)) as machine:
        yield machine


def test_what_was_made_first_comes_first_whenever_it_was_added(m: Machine) -> None:
    lru: Lru[anon_vma] = Lru()
    trees = [anon_vma() for _ in range(12)]
    for tree in reversed(trees):
        lru.add(tree)
    assert lru.take("look") == trees


def test_who_looks_for_an_origin_gets_what_has_had_such_pages(m: Machine) -> None:
    lru: Lru[anon_vma] = Lru()
    here, there, both = (anon_vma() for _ in range(3))
    lru.add(here, (0, None))
    lru.add(there, (1, None))
    lru.add(both, (1, None))
    lru.add(both, (0, None))
    assert lru.take("look", lambda origin: origin[0] == 0) == [here, both]
    assert lru.take("look", lambda origin: origin[0] == 2) == []


def test_a_tree_is_listed_from_its_first_page_to_its_end(m: Machine) -> None:
    mm = mm_alloc()
    _map_region(mm, 0, PAGE, kind="anon")
    assert not _anon_lru().members
    vma = _map_region(mm, 2 * PAGE, PAGE, kind="anon", populate_pages=1)
    root = vma.__dict__["anon_vma"]
    assert _anon_lru().members == {root: {(0, None): None}}
    assert _books() == []


def taken(m: Machine) -> tuple[bool, bool]:
    """Let one thread look at what another one is about to free."""
    lru: Lru[anon_vma] = Lru()
    tree, seen, gone = anon_vma(), [], []
    lru.add(tree)

    def look() -> None:
        members = lru.take("look")
        seen.append(bool(members))
        assert not members or not gone
        lru.put(members)

    def free() -> None:
        lru.forget(tree)
        gone.append(True)

    m.thread("look", look)
    m.thread("free", free)
    m.run()
    return seen[0], tree in lru.members or tree in lru.kept


def test_who_frees_waits_for_those_who_look() -> None:
    result = explore(taken)
    assert result.complete
    assert not result.reports
    assert {found.value for found in result.outcomes} == {(True, False), (False, False)}


def added(m: Machine) -> int:
    """Let three threads each list a tree, two of which go again."""
    lru: Lru[anon_vma] = Lru()

    def work(*, stays: bool) -> None:
        tree = anon_vma()
        lru.add(tree)
        if not stays:
            lru.forget(tree)

    for n in range(3):
        m.thread(f"t{n}", lambda n=n: work(stays=not n))
    m.run()
    return len(lru.members)


def test_without_reclaim_there_is_one_order() -> None:
    result = explore(added)
    assert (result.complete, result.executions) == (True, 1)
    assert [found.value for found in result.outcomes] == [1]

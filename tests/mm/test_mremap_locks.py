# SPDX-License-Identifier: GPL-2.0-only
"""Who looks for a page's mappings is kept out while entries could be missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm.engine import Event
from pykmm.linux.uapi import (
    MAP_PRIVATE,
    MAP_SHARED,
    O_RDWR,
    PROT_READ,
    PROT_WRITE,
)
from pykmm.linux.uapi_mman import MAP_FIXED, MREMAP_FIXED, MREMAP_MAYMOVE
from pykmm.mm._conservation import _books
from pykmm.syscalls import mmap, mremap, open, touch
from pykmm.workbench import Machine

PAGE = 4096
MIB = 1 << 20
HERE = 1 << 32
THERE = HERE + 4 * MIB
FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED


class Held:
    """Notes which locks for finding mappings are held in steps of some kinds."""

    def __init__(self, ending: str, *kinds: str) -> None:
        self.ending, self.kinds = ending, kinds
        self.found: list[list[str]] = []

    def event(self, event: Event) -> None:
        if event.kind in self.kinds and event.obj.name.endswith(self.ending):
            names = [lock.name.partition(".")[2] for lock in event.thread.held]
            self.found.append([n for n in names if n in ("i_mmap_rwsem", "rwsem")])

    def at_rest(self, machine: object) -> None: ...


@pytest.fixture(name="m")
def _machine() -> Iterator[Machine]:
    with Machine() as machine:
        machine.file("/file", 4 * MIB)
        yield machine
        assert _books() == []


def watch(
    m: Machine, held: Held, before: Callable[[], object], program: Callable[[], int]
) -> list[list[str]]:
    app = m.spawn("app")
    app.call(before)
    app.runs(program)
    m.observers.append(held)
    m.run()
    assert app.result > 0
    return held.found


def map_file(fd: int, at: int, length: int, flags: int, offset: int = 0) -> None:
    prot = PROT_READ | PROT_WRITE
    assert mmap(at, length, prot, flags | MAP_FIXED, fd, offset) == at
    touch(at, PAGE, flags == MAP_PRIVATE)


@pytest.mark.parametrize(
    ("flags", "locks"),
    [(MAP_SHARED, ["i_mmap_rwsem"]), (MAP_PRIVATE, ["i_mmap_rwsem", "rwsem"])],
)
def test_a_table_moves_under_the_locks_of_its_file_and_of_its_pages(
    m: Machine, flags: int, locks: list[str]
) -> None:
    found = watch(
        m,
        Held(".pgd", "pmd_populate"),
        lambda: map_file(open("/file", O_RDWR), HERE, 2 * MIB, flags),
        lambda: mremap(HERE, 2 * MIB, 2 * MIB, FLAGS, THERE),
    )
    assert found[-1] == locks


@pytest.mark.parametrize(("joins", "locks"), [(True, ["i_mmap_rwsem"]), (False, [])])
def test_entries_do_where_both_places_could_be_looked_at_too_early_or_too_late(
    m: Machine, joins: bool, locks: list[str]
) -> None:
    """What is merged with what comes before it in the file is looked at first."""

    def before() -> None:
        fd = open("/file", O_RDWR)  # only mappings of one open file are joined
        map_file(fd, THERE, PAGE, MAP_SHARED)
        map_file(fd, HERE, 3 * PAGE, MAP_SHARED, PAGE)

    to = THERE + (1 if joins else 2) * PAGE
    found = watch(
        m,
        Held(".ptl", "spin_lock", "spin_lock_nested"),
        before,
        lambda: mremap(HERE, 3 * PAGE, 3 * PAGE, FLAGS, to),
    )
    assert found[:2] == [locks, locks]

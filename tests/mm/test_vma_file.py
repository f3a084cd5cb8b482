# SPDX-License-Identifier: GPL-2.0-only
"""A file knows where it is mapped, whatever becomes of the mappings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pykmm import Machine
from pykmm.engine import Config
from pykmm.engine.machine import current_machine
from pykmm.linux.mm_types import address_space
from pykmm.linux.uapi_mman import (
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
)
from pykmm.mm._conservation import _books
from pykmm.syscalls import (
    close,
    exit_group,
    fork,
    mmap,
    mprotect,
    mremap,
    munmap,
    wait4,
)
from tests.lifecycle._memory import PAGE, RW, A, memory_file, runs

FILE = MAP_FIXED | MAP_PRIVATE


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine whose books are audited, what files know of mappings included."""
    with Machine(Config(node_pages=(1 << 14,))) as machine:
        yield machine
        assert _books() == []


def the_file() -> address_space:
    """Return the only file that there is."""
    (mapping,) = (x for x in current_machine().alive if isinstance(x, address_space))
    return mapping


def mapped() -> list[tuple[int, int, int]]:
    """List the mappings that the file knows: pages from A on, and the offset."""
    found = [vma.__dict__ for vma in the_file().__dict__["i_mmap"]]
    return sorted(
        (v["vm_start"] - A >> 12, v["vm_end"] - A >> 12, v["vm_pgoff"]) for v in found
    )


def map_file(page: int, pages: int, offset: int = 0, flags: int = FILE) -> int:
    """Map a new file of its own at page *page* from A on; return its descriptor."""
    fd = memory_file(offset + pages)
    assert mmap(A + page * PAGE, pages * PAGE, RW, flags, fd, offset * PAGE) > 0
    return fd


def test_a_mapping_that_is_cut_is_known_by_its_parts(m: Machine) -> None:
    def program() -> object:
        map_file(0, 6)
        whole = mapped()
        mprotect(A + 2 * PAGE, 2 * PAGE, PROT_READ)
        cut = mapped()
        mprotect(A + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE)
        return whole, cut, mapped()

    assert runs(m, program) == (
        [(0, 6, 0)],
        [(0, 2, 0), (2, 4, 2), (4, 6, 4)],
        [(0, 6, 0)],
    )


def test_a_hole_that_is_filled_joins_both_sides(m: Machine) -> None:
    def program() -> object:
        fd = map_file(0, 6)
        munmap(A + 2 * PAGE, 2 * PAGE)
        hole = mapped()
        mmap(A + 2 * PAGE, 2 * PAGE, RW, FILE, fd, 2 * PAGE)
        return hole, mapped()

    assert runs(m, program) == ([(0, 2, 0), (4, 6, 4)], [(0, 6, 0)])


def test_a_mapping_is_known_where_it_was_moved_to(m: Machine) -> None:
    def program() -> object:
        map_file(0, 4)
        moved = mremap(
            A, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, A + 32 * PAGE
        )
        return moved == A + 32 * PAGE, mapped()

    assert runs(m, program) == (True, [(2, 4, 2), (32, 34, 0)])


@pytest.mark.parametrize("flags", [MAP_PRIVATE, MAP_SHARED])
def test_a_child_s_copy_is_known_until_the_child_has_gone(
    m: Machine, flags: int
) -> None:
    def program() -> object:
        map_file(0, 2, flags=MAP_FIXED | flags)
        seen: list[object] = []

        def child() -> None:
            seen.append(mapped())
            exit_group(0)

        wait4(fork(child))
        return seen, mapped()

    assert runs(m, program) == ([[(0, 2, 0), (0, 2, 0)]], [(0, 2, 0)])


def test_a_file_without_mappings_knows_none(m: Machine) -> None:
    def program() -> object:
        fd = map_file(0, 2)
        munmap(A, 2 * PAGE)
        found = mapped()
        close(fd)
        return found

    assert runs(m, program) == []


def test_the_books_tell_of_a_mapping_that_its_file_does_not_know() -> None:
    with Machine() as machine:

        def program() -> object:
            map_file(0, 2)
            known = the_file().__dict__["i_mmap"]
            vma = next(iter(known))
            del known[vma]
            wrong = _books()
            known[vma] = None
            return wrong

        (sentence,) = runs(machine, program)
    assert "knows 0 mappings that are gone, and does not know 1 of its own" in sentence

# SPDX-License-Identifier: GPL-2.0-only
"""Random calls against a plain model: a dictionary of pages."""

from __future__ import annotations

from typing import Final

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from pykmm import Machine
from pykmm.engine import Config
from pykmm.engine.machine import current_machine
from pykmm.errno import EINVAL, ENOMEM
from pykmm.linux.mm import VM_ACCOUNT, VM_EXEC, VM_LOCKED, VM_READ, VM_SHARED, VM_WRITE
from pykmm.linux.mm_types import address_space
from pykmm.linux.mman import vm_committed_as
from pykmm.linux.uapi_mman import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from pykmm.mm._conservation import _books, _misplaced
from pykmm.syscalls import (
    madvise,
    mlock,
    mmap,
    mprotect,
    mremap,
    munlock,
    munmap,
    touch,
)
from tests.lifecycle._memory import own

PAGE: Final = 4096
A: Final = 0x10000
SPAN: Final = 12
_FLAG: Final = {PROT_READ: VM_READ, PROT_WRITE: VM_WRITE, PROT_EXEC: VM_EXEC}


@attrs.define
class Page:
    """What is known of one page: what may be done with it, and what is in it."""

    prot: int
    shared: bool
    locked: bool = False
    filled: bool = False

    @property
    def flags(self) -> int:
        """Return the flags of its mapping, as far as they follow from that."""
        flags = sum(flag for bit, flag in _FLAG.items() if self.prot & bit)
        return flags | VM_SHARED * self.shared | VM_LOCKED * self.locked


class Model:
    """An address space as a dictionary of pages."""

    def __init__(self) -> None:
        self.pages: dict[int, Page] = {}

    def map(self, first: int, nr: int, prot: int, shared: bool) -> int:
        self.pages |= {p: Page(prot, shared) for p in range(first, first + nr)}
        return A + first * PAGE

    def unmap(self, first: int, nr: int) -> int:
        for page in range(first, first + nr):
            self.pages.pop(page, None)
        return 0

    def _until_hole(self, first: int, nr: int) -> tuple[list[Page], int]:
        found = []
        for page in range(first, first + nr):
            if page not in self.pages:
                return found, -ENOMEM
            found.append(self.pages[page])
        return found, 0

    def protect(self, first: int, nr: int, prot: int) -> int:
        pages, error = self._until_hole(first, nr)
        for page in pages:
            page.prot = prot
        return error

    def lock(self, first: int, nr: int, locked: bool) -> int:
        pages, error = self._until_hole(first, nr)
        for page in pages:
            page.locked = locked
        if locked and not error:
            for page in pages:
                if not page.prot:
                    return -ENOMEM
                # What is only read gets the page of zeroes, which counts nowhere.
                page.filled |= page.shared or bool(page.prot & PROT_WRITE)
        return error

    def dontneed(self, first: int, nr: int) -> int:
        """Mappings with locked pages are refused, all others in the range emptied."""
        error = 0
        for page in range(first, first + nr):
            if page not in self.pages:
                error = -ENOMEM
            elif self.pages[page].locked:
                return -EINVAL
            else:
                self.pages[page].filled = False
        return error

    def fill(self, first: int, nr: int) -> None:
        for page in self._until_hole(first, nr)[0]:
            page.filled = True

    def move(self, first: int, nr: int, to: int) -> int:
        pages, _ = self._until_hole(first, nr)
        self.unmap(to, nr)
        self.unmap(first, nr)
        self.pages |= {to + n: page for n, page in enumerate(pages)}
        return A + to * PAGE


def real() -> tuple[dict[int, int], int]:
    """Return the flags of each mapped page of current, and how many are present."""
    mm = own()
    found: dict[int, int] = {}
    slots = list(mm.__dict__["mm_mt"]._slots)
    for slot in slots:
        vma = slot.entry.__dict__
        assert (slot.first, slot.last + 1) == (vma["vm_start"], vma["vm_end"])
        for at in range(vma["vm_start"], vma["vm_end"], PAGE):
            found[at - A >> 12] = vma["vm_flags"]
    assert len(slots) == mm.__dict__["map_count"]
    filled = [1, 3]  # anonymous, shmem
    return found, sum(mm.rss_stat[kind].counter for kind in filled)


_KEPT: Final = VM_READ | VM_WRITE | VM_EXEC | VM_SHARED | VM_LOCKED


def agree(model: Model) -> None:
    """Assert that the address space is what the model says, and adds up."""
    flags, present = real()
    assert {p: f & _KEPT for p, f in flags.items()} == {
        p: page.flags for p, page in model.pages.items()
    }
    assert present == sum(page.filled for page in model.pages.values())
    state = own().__dict__
    pages = [page.flags for page in model.pages.values()]
    data = [f for f in pages if f & (VM_WRITE | VM_SHARED) == VM_WRITE]
    code = [f for f in pages if f & (VM_WRITE | VM_EXEC) == VM_EXEC]
    assert (state["total_vm"], state["data_vm"], state["exec_vm"]) == (
        len(pages),
        len(data),
        len(code),
    )
    assert state["locked_vm"] == sum(bool(f & VM_LOCKED) for f in pages)
    private = sum(bool(f & VM_ACCOUNT) for f in flags.values())
    shared = sum(f.__dict__["promised"] for f in _mappings())
    assert vm_committed_as().counter == private + shared
    assert list(_misplaced([own()], _mappings())) == []


def _mappings() -> list[address_space]:
    return [x for x in current_machine().alive if isinstance(x, address_space)]


PROTS = (PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC)
RANGES = st.tuples(st.integers(0, SPAN - 1), st.integers(1, 6))
CALLS = st.one_of(
    st.tuples(st.just("map"), RANGES, st.sampled_from(PROTS), st.booleans()),
    st.tuples(st.just("unmap"), RANGES),
    st.tuples(st.just("protect"), RANGES, st.sampled_from(PROTS)),
    st.tuples(st.just("lock"), RANGES, st.booleans()),
    st.tuples(st.just("dontneed"), RANGES),
    st.tuples(st.just("touch"), RANGES),
    st.tuples(st.just("move"), RANGES, st.integers(20, 32)),
)


def apply(model: Model, call: tuple[object, ...]) -> None:
    """Make a call, in the model and for real, and compare."""
    name, (first, nr), *more = call  # type: ignore[misc]  # as CALLS says
    at, length = A + first * PAGE, nr * PAGE
    if name == "map":
        prot, shared = more
        flags = MAP_FIXED | MAP_ANONYMOUS | (MAP_SHARED if shared else MAP_PRIVATE)
        assert mmap(at, length, prot, flags) == model.map(first, nr, prot, shared)
    elif name == "unmap":
        assert munmap(at, length) == model.unmap(first, nr)
    elif name == "protect":
        assert mprotect(at, length, *more) == model.protect(first, nr, *more)
    elif name == "lock":
        call_ = mlock if more[0] else munlock
        assert call_(at, length) == model.lock(first, nr, *more)
    elif name == "dontneed":
        _dontneed(model, first, nr)
    elif name == "touch":
        pages = [model.pages.get(p) for p in range(first, first + nr)]
        if all(page is not None and page.prot & PROT_WRITE for page in pages):
            touch(at, length)
            model.fill(first, nr)
    elif name == "move" and _alike(model, first, nr):
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        to = A + more[0] * PAGE
        assert mremap(at, length, length, flags, to) == model.move(first, nr, *more)


def _dontneed(model: Model, first: int, nr: int) -> None:
    """One page after the other, so that where mappings end does not matter."""
    for page in range(first, first + nr):
        found = madvise(A + page * PAGE, PAGE, MADV_DONTNEED)
        assert found == model.dontneed(page, 1)


def _alike(model: Model, first: int, nr: int) -> bool:
    """Tell whether all of a range is mapped; otherwise the gaps are of interest."""
    return all(p in model.pages for p in range(first, first + nr))


@settings(max_examples=120)
@given(st.lists(CALLS, max_size=25))
def test_random_calls_do_what_a_dictionary_says(
    calls: list[tuple[object, ...]],
) -> None:
    with Machine(Config(node_pages=(1 << 14,)), reaper=False) as m:
        p = m.spawn("app")

        @p.runs
        def _() -> str:
            model = Model()
            for call in calls:
                apply(model, call)
                agree(model)
            return "done"

        m.run()
        assert p.result == "done"
        assert _books() == []

# SPDX-License-Identifier: GPL-2.0-only
"""Which neighbours become one mapping, as drawings of the address space.

A letter is a page: ``w`` can be written, ``r`` read, ``x`` executed; a capital one has
been touched. A dot is a hole, and a bar separates mappings. What is touched in one
mapping shares no ``anon_vma`` with what is touched behind a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pykmm import Machine
from pykmm.engine import Config
from pykmm.linux.mm import VM_DONTEXPAND, VM_SOFTDIRTY
from pykmm.linux.mm_types import vm_area_struct, vm_operations_struct
from pykmm.linux.uapi import O_CREAT, O_RDWR
from pykmm.linux.uapi_mman import (
    MAP_FIXED,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from pykmm.mm._conservation import _books
from pykmm.syscalls import exit_group, fork, mmap, mprotect, open, touch, wait4
from tests.lifecycle._memory import PAGE, A, fixed, own, protect, runs

PROTS = {
    "w": PROT_READ | PROT_WRITE,
    "r": PROT_READ,
    "x": PROT_READ | PROT_EXEC,
}


@pytest.fixture
def m() -> Iterator[Machine]:
    """A machine of 64 MiB whose books are audited."""
    with Machine(Config(node_pages=(1 << 14,)), reaper=False) as machine:
        yield machine
        assert _books() == []


def areas() -> list[vm_area_struct]:
    """Return current's mappings, in order."""
    return [slot.entry for slot in own().__dict__["mm_mt"]._slots]


def drawn() -> str:
    """Draw the borders of current's mappings, without saying what they are."""
    text, at = "", A
    for vma in areas():
        start, end = vma.__dict__["vm_start"], vma.__dict__["vm_end"]
        bar = "|" if text and start == at else ""
        text += "." * (start - at >> 12) + bar + "#" * (end - start >> 12)
        at = end
    return text


def runs_of(drawing: str) -> Iterator[tuple[int, str]]:
    """Yield where each run of one letter begins, and the run."""
    at = 0
    for part in drawing.replace(".", " ").replace("|", "").split(" "):
        start = at
        while part[start - at :]:
            letter = part[start - at]
            run = part[start - at :]
            run = run[: len(run) - len(run.lstrip(letter))]
            yield start, run
            start += len(run)
        at += len(part) + 1


def build(drawing: str) -> None:
    """Map what is drawn, and touch what has capital letters."""
    for at, run in runs_of(drawing):
        fixed(at, len(run), PROTS[run[0].lower()])
    for at, run in runs_of(drawing):
        if run[0].isupper():
            touch(A + at * PAGE, len(run) * PAGE, write=run[0] == "W")


def borders(drawing: str) -> str:
    """Forget what the pages of a drawing are."""
    return "".join(c if c in ".|" else "#" for c in drawing).rstrip(".")


NEW = [
    # nothing to merge with, and nothing that fits
    ("......", "..ww..", "..ww.."),
    ("rr..rr", "..ww..", "rr|ww|rr"),
    ("xx..rr", "..ww..", "xx|ww|rr"),
    # on one side, on both
    ("ww....", "..ww..", "wwww.."),
    ("....ww", "..ww..", "..wwww"),
    ("ww..ww", "..ww..", "wwwwww"),
    ("ww..rr", "..ww..", "wwww|rr"),
    ("rr..ww", "..ww..", "rr|wwww"),
    # next to it, but not quite
    ("ww....", "...ww.", "ww.ww."),
    # what was touched takes what was not, on either side
    ("WW....", "..ww..", "wwww.."),
    ("....WW", "..ww..", "..wwww"),
    ("WW..ww", "..ww..", "wwwwww"),
    ("ww..WW", "..ww..", "wwwwww"),
    # both sides were touched, but not together: the left one takes it
    ("WW..WW", "..ww..", "wwww|ww"),
    # over something else
    ("wwrrww", "..ww..", "wwwwww"),
    ("rrrrrr", "..ww..", "rr|ww|rr"),
    ("wwrrrr", ".www..", "wwww|rr"),
]

CHANGED = [
    # all of a mapping: it vanishes in its neighbours
    ("wwrrww", "..ww..", "wwwwww"),
    ("wwrrxx", "..ww..", "wwww|xx"),
    ("xxrrww", "..ww..", "xx|wwww"),
    ("xxrrxx", "..ww..", "xx|ww|xx"),
    # a part at one end: the border moves
    ("wwrrrr", "..ww..", "wwww|rr"),
    ("rrrrww", "..ww..", "rr|wwww"),
    ("wwrrrr", "....ww", "ww|rr|ww"),
    # a part in the middle
    ("rrrrrr", "..ww..", "rr|ww|rr"),
    ("wrrrrw", "..ww..", "w|r|ww|r|w"),
    # what was touched
    ("WWrrww", "..ww..", "wwwwww"),
    ("wwrrWW", "..ww..", "wwwwww"),
    ("WWrrWW", "..ww..", "wwww|ww"),
]


@pytest.mark.parametrize(("before", "new", "after"), NEW)
def test_a_new_range(m: Machine, before: str, new: str, after: str) -> None:
    def program() -> str:
        build(before)
        ((at, run),) = runs_of(new)
        fixed(at, len(run), PROTS[run[0]])
        return drawn()

    assert runs(m, program) == borders(after)


@pytest.mark.parametrize(("before", "change", "after"), CHANGED)
def test_a_range_that_changes(m: Machine, before: str, change: str, after: str) -> None:
    def program() -> str:
        build(before)
        ((at, run),) = runs_of(change)
        assert protect(at, len(run), PROTS[run[0]]) == 0
        return drawn()

    assert runs(m, program) == borders(after)


# -- what keeps neighbours apart -------------------------------------------------------


def _close(vma: vm_area_struct) -> None:
    """Want to know when a mapping goes."""


def _closes(vma: vm_area_struct) -> None:
    vma.__dict__["vm_ops"] = vm_operations_struct(close=_close)


def _named(vma: vm_area_struct) -> None:
    vma.__dict__["anon_name"] = "heap"


def _special(vma: vm_area_struct) -> None:
    vma.__dict__["vm_flags"] |= VM_DONTEXPAND


def _dirty(vma: vm_area_struct) -> None:
    vma.__dict__["vm_flags"] |= VM_SOFTDIRTY


@pytest.mark.parametrize(
    ("which", "what", "after"),
    [
        # The middle one cannot vanish, or the next one: then less is done.
        (1, _closes, "ww|ww|ww"),
        (2, _closes, "wwww|ww"),
        (0, _closes, "wwwwww"),
        (0, _named, "ww|wwww"),
        (1, _named, "ww|ww|ww"),
        (2, _named, "wwww|ww"),
        (1, _special, "ww|ww|ww"),
        (2, _special, "wwww|ww"),
        (0, _dirty, "wwwwww"),
        (2, _dirty, "wwwwww"),
    ],
)
def test_a_difference_between_neighbours(
    m: Machine, which: int, what: Callable[[vm_area_struct], None], after: str
) -> None:
    def program() -> object:
        build("wwrrww")
        what(areas()[which])
        protect(2, 2, PROTS["w"])
        dirty = bool(areas()[0].__dict__["vm_flags"] & VM_SOFTDIRTY)
        return drawn(), dirty

    assert runs(m, program) == (borders(after), what is _dirty)


@pytest.mark.parametrize(("offset", "after"), [(2, "wwww"), (3, "ww|ww"), (0, "ww|ww")])
def test_parts_of_a_file_have_to_follow_each_other(
    m: Machine, offset: int, after: str
) -> None:
    def program() -> object:
        fd = open("/data", O_CREAT | O_RDWR)
        for at, where in ((0, 0), (2, offset)):
            mmap(
                A + at * PAGE,
                2 * PAGE,
                PROT_READ,
                MAP_PRIVATE | MAP_FIXED,
                fd,
                where * PAGE,
            )
        return drawn(), areas()[0].__dict__["vm_pgoff"]

    assert runs(m, program) == (borders(after), 0)


def test_a_split_and_a_merge_keep_offsets(m: Machine) -> None:
    def program() -> object:
        fd = open("/data", O_CREAT | O_RDWR)
        mmap(A, 6 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 3 * PAGE)
        found = []
        for prot in (PROTS["x"], PROT_READ):
            mprotect(A + 2 * PAGE, 2 * PAGE, prot)
            found.append([v.__dict__["vm_pgoff"] for v in areas()])
        return found

    assert runs(m, program) == [[3, 5, 7], [3]]


def test_what_came_through_a_fork_merges_with_itself_only(m: Machine) -> None:
    def program() -> object:
        fixed(0, 6)
        touch(A, 6 * PAGE)
        seen = []

        def child() -> None:
            for prot in (PROT_READ, PROTS["w"]):
                protect(2, 2, prot)
                seen.append(drawn())
            fixed(6, 2)
            seen.append(drawn())
            exit_group(0)

        wait4(fork(child))
        return seen

    assert runs(m, program) == ["##|##|##", "######", "######|##"]

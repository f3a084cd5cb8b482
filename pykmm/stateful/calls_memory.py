# SPDX-License-Identifier: GPL-2.0-only
"""System calls about memory, as values: what is done, and what has to come of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from ..errno import EINVAL
from ..linux.uapi import O_WRONLY, SIGSEGV
from ..mm.memcontrol_charge import memory_max_write
from ..syscalls import close, mmap, munmap, open, touch, write
from ..syscalls._return import syscall
from .calls import _is
from .model import State
from .seat import LOST, Call, Crowd, Seat

__all__ = ["Limit", "Mmap", "Munmap", "Shortage", "Touch"]

_PAGE: Final = 4096
#: How many pages of addresses a program has.
_PAGES: Final = (1 << 35) - 1

_set_limit = syscall(memory_max_write)


@frozen
class Mmap(Call):
    """``mmap()`` of so many pages of private memory."""

    pages: int = 1

    def perform(self, seat: Seat) -> object:
        return mmap(self.pages * _PAGE)

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        space = state.space_of(pid)
        if answer is LOST:
            yield state
            yield state.put_space(evolve(space, vague=True))
        elif isinstance(answer, int) and answer > 0 and answer % _PAGE == 0:
            first = answer // _PAGE
            new = frozenset(range(first, first + self.pages))
            if not new & space.mapped:
                yield state.put_space(evolve(space, mapped=space.mapped | new))


@frozen
class _There(Call):
    """A call about a page that its process has mapped, but not of its stack."""

    page: int = 0

    def bound(self, world: Crowd) -> Call:
        space = world.state.space_of(world.pid_of(self.by))
        mapped = sorted(space.mapped - space.stack)
        return evolve(self, page=mapped[self.page % len(mapped)] if mapped else 0)


@frozen
class Munmap(_There):
    """``munmap()`` from a mapped page on."""

    pages: int = 1

    def perform(self, seat: Seat) -> object:
        return munmap(self.page * _PAGE, self.pages * _PAGE)

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        if self.page + self.pages > _PAGES:
            if _is(answer, -EINVAL):
                yield state
        elif _is(answer, 0):
            space = state.space_of(pid)
            gone = range(self.page, self.page + self.pages)
            left = {
                name: getattr(space, name).difference(gone)
                for name in ("mapped", "present", "text")
            }
            yield state.put_space(evolve(space, **left))


@frozen
class Touch(_There):
    """A write to a page; where nothing is mapped, or only text, that is fatal."""

    charges = True

    def perform(self, seat: Seat) -> object:
        touch(self.page * _PAGE, 1)
        return None

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        space = state.space_of(pid)
        there = evolve(space, present=space.present | {self.page})
        may_write = self.page in space.mapped - space.text or space.vague
        if may_write and _is(answer, None):
            if there == space or not space.grouped or state.has_room(there):
                yield state.put_space(there)
        if self.page not in space.mapped - space.text and answer is LOST:
            yield state.die(pid, int(SIGSEGV), dumps=True)


@frozen
class Limit(Call):
    """A write to ``memory.max`` of the cgroup, which kills until that is kept."""

    charges = True

    pages: int = 0

    def perform(self, seat: Seat) -> object:
        return _set_limit(seat.world.group, self.pages)

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        # Who is killed meanwhile leaves it at that.
        if _is(answer, 0):
            yield evolve(state, limit=self.pages, trims=answer is not LOST)


@frozen
class Shortage(Call):
    """``echo f > /proc/sysrq-trigger``: have the OOM killer run, by a worker."""

    def perform(self, seat: Seat) -> object:
        fd = open("/proc/sysrq-trigger", O_WRONLY)
        answer = write(fd, "f")
        close(fd)
        return answer

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        if _is(answer, 1):
            yield evolve(state, asked=True)

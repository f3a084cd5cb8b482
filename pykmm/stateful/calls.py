# SPDX-License-Identifier: GPL-2.0-only
"""System calls as values: what a program does, and what has to come of it.

As drawn, ``by`` counts the threads that can make a call, and ``whom`` the processes
and, behind them, the last one that is gone, round and round. :meth:`Call.bound` puts
numbers in place of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from ..errno import EAGAIN, ECHILD, EINVAL, ESRCH
from ..linux.uapi import O_WRONLY, SIGCHLD, SIGKILL, SIGSEGV, WNOHANG
from ..linux.uapi_sched import CLONE_VM
from ..syscalls import (
    clone,
    close,
    exit_group,
    fork,
    kill,
    mmap,
    munmap,
    open,
    pidfd_open,
    process_mrelease,
    pthread_create,
    touch,
    wait4,
    write,
)
from .model import Phase, Proc, Space, State
from .seat import LOST, Call, Crowd, Seat

__all__ = [
    "CALLS",
    "Clone",
    "Exit",
    "Fork",
    "Kill",
    "Mmap",
    "Mrelease",
    "Munmap",
    "Shortage",
    "Thread",
    "Touch",
    "Wait",
]

_PAGE: Final = 4096
#: How many pages of addresses a program has.
_PAGES: Final = (1 << 35) - 1


def _is(answer: object, expected: object) -> bool:
    return answer is LOST or answer == expected


@frozen
class _At(Call):
    """A call about a process."""

    whom: int = 0

    def bound(self, world: Crowd) -> Call:
        return evolve(self, whom=world.whom(self.whom))


@frozen
class Kill(_At):
    """``kill()``; signal 0 only asks."""

    sig: int = int(SIGKILL)

    def perform(self, seat: Seat) -> object:
        return kill(self.whom, self.sig)

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        if state.proc(self.whom) is None:
            if _is(answer, -ESRCH):
                yield state
        elif _is(answer, 0):
            yield state.die(self.whom, self.sig) if self.sig else state


@frozen
class Mrelease(_At):
    """``pidfd_open()``, ``process_mrelease()``, and ``close()``."""

    flags: int = 0

    def perform(self, seat: Seat) -> object:
        fd = pidfd_open(self.whom, 0)
        if fd < 0:
            return fd
        answer = process_mrelease(fd, self.flags)
        close(fd)
        return answer

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        p = state.proc(self.whom)
        space = None if p is None else state.space(p.space)
        if p is not None and self.flags:
            if _is(answer, -EINVAL):
                yield state
        elif p is None or space is None or p.phase >= Phase.BARE:
            if _is(answer, -ESRCH):
                yield state
        elif space.skip:
            if _is(answer, 0):
                yield state
        elif any(user.phase is Phase.ALIVE for user in state.users(p.space)):
            if _is(answer, -EINVAL):
                yield state
        else:
            yield from self._reap(state, p, space, answer)

    def _reap(
        self, state: State, p: Proc, space: Space, answer: object
    ) -> Iterator[State]:
        if p.dumps and _is(answer, -EINVAL):
            yield state
        if space.refuses and _is(answer, -EAGAIN):
            yield state
        if _is(answer, 0):
            yield state.put_space(evolve(space, present=frozenset()))


@frozen
class Exit(Call):
    """``exit_group()``."""

    code: int = 0

    def perform(self, seat: Seat) -> object:
        exit_group(self.code)
        return 0

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        if answer is LOST:
            yield state.die(pid, self.code << 8)


@frozen
class Wait(Call):
    """``wait4()`` for any child that is dead already."""

    def perform(self, seat: Seat) -> object:
        return wait4(-1, WNOHANG)

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        children = state.children(pid)
        dead = [p for p in children if p.phase is Phase.ZOMBIE]
        if not dead and _is(answer, (0, 0) if children else -ECHILD):
            yield state
        for p in dead:
            core = p.status | 0x80 if p.dumps else p.status
            if _is(answer, (p.pid, p.status)) or _is(answer, (p.pid, core)):
                yield state.drop(p.pid)


@frozen
class Fork(Call):
    """``fork()``; the child can be asked for calls, too."""

    def perform(self, seat: Seat) -> object:
        return fork(seat.another())

    def _space(self, state: State, p: Proc, child: int) -> tuple[State, int]:
        space = state.space(p.space)
        assert space is not None  # its caller uses it
        copy = Space(child, space.mapped, space.present, vague=space.vague)
        return state.put_space(copy), child

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        p = state.proc(pid)
        assert p is not None  # it makes a call
        if answer is LOST:
            yield state
        children = state.unknown if answer is LOST else (answer,)
        for child in children:
            if isinstance(child, int) and child > 0 and state.proc(child) is None:
                made, space = self._space(state, p, child)
                unknown = tuple(n for n in made.unknown if n != child)
                made = made.put(Proc(child, pid, space))
                yield evolve(made, unknown=unknown)


@frozen
class Clone(Fork):
    """``clone(CLONE_VM)``: a process that shares the memory."""

    def perform(self, seat: Seat) -> object:
        return clone(CLONE_VM | SIGCHLD, seat.another())

    def _space(self, state: State, p: Proc, child: int) -> tuple[State, int]:
        return state, p.space


@frozen
class Thread(Call):
    """``pthread_create()``: one thread more of this process."""

    def perform(self, seat: Seat) -> object:
        return pthread_create(seat.another())

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        if answer is LOST or (isinstance(answer, int) and answer > 0):
            yield state


@frozen
class Mmap(Call):
    """``mmap()`` of so many pages of private memory."""

    pages: int = 1

    def perform(self, seat: Seat) -> object:
        return mmap(self.pages * _PAGE)

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        space = _space_of(state, pid)
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
    """A call about a page that its process has mapped."""

    page: int = 0

    def bound(self, world: Crowd) -> Call:
        mapped = sorted(_space_of(world.state, world.pid_of(self.by)).mapped)
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
            space = _space_of(state, pid)
            gone = range(self.page, self.page + self.pages)
            mapped, present = space.mapped.difference(gone), space.present
            present = present.difference(gone)
            yield state.put_space(evolve(space, mapped=mapped, present=present))


@frozen
class Touch(_There):
    """A write to a page; where nothing is mapped, that is fatal."""

    def perform(self, seat: Seat) -> object:
        touch(self.page * _PAGE, 1)
        return None

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        space = _space_of(state, pid)
        if self.page in space.mapped or space.vague:
            if _is(answer, None):
                present = space.present | {self.page}
                yield state.put_space(evolve(space, present=present))
        if self.page not in space.mapped and answer is LOST:
            yield state.die(pid, int(SIGSEGV), dumps=True)


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


def _space_of(state: State, pid: int) -> Space:
    p = state.proc(pid)
    space = None if p is None else state.space(p.space)
    assert space is not None  # whoever makes a call has memory
    return space


#: All calls that are drawn.
CALLS: Final = (
    Kill,
    Mrelease,
    Exit,
    Wait,
    Fork,
    Clone,
    Thread,
    Mmap,
    Munmap,
    Touch,
    Shortage,
)

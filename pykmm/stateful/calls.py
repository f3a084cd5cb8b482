# SPDX-License-Identifier: GPL-2.0-only
"""System calls about processes, as values: what is done, and what has to come of it.

As drawn, ``by`` counts the threads that can make a call, and ``whom`` the processes
and, behind them, the last one that is gone, round and round. :meth:`Call.bound` puts
numbers in place of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from ..errno import EAGAIN, ECHILD, EFAULT, EINVAL, ESRCH
from ..linux.uapi import SIGCHLD, SIGKILL, WNOHANG
from ..linux.uapi_sched import CLONE_VM
from ..syscalls import (
    clone,
    close,
    execve,
    exit_group,
    fork,
    kill,
    pidfd_open,
    process_mrelease,
    process_vm_readv,
    pthread_create,
    wait4,
)
from .model import Phase, Proc, Space, State
from .seat import LOST, Call, Crowd, Seat

__all__ = [
    "Clone",
    "Exec",
    "Exit",
    "Fork",
    "Kill",
    "Mrelease",
    "Peek",
    "Thread",
    "Wait",
]

#: The pages of a program that has just begun: its text, its data, and its stack, of
#: which only the last page of data and the first of the stack are there.
_TEXT: Final = frozenset(range(0x400, 0x404))
_DATA: Final = frozenset((0x600, 0x601))
_STACK: Final = frozenset(range(0x7FFFFFFDE, 0x7FFFFFFFF))
_BEGUN: Final = frozenset((0x600, 0x7FFFFFFFE))


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
class Peek(_At):
    """``process_vm_readv()`` of an address at which there never is anything.

    Whoever looks uses the memory meanwhile, and may be the last one who does.
    """

    def perform(self, seat: Seat) -> object:
        return process_vm_readv(self.whom, [(0, 1)], [(0, 1)], 0)

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        p = state.proc(self.whom)
        if p is not None and p.phase <= Phase.DYING and _is(answer, -EFAULT):
            yield state
        # Threads leave one by one, and it is the first one's memory that is asked for.
        leaves = p is None or p.phase is not Phase.ALIVE or p.pid in state.begins
        if leaves and _is(answer, -ESRCH):
            yield state


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
class Exec(Call):
    """``execve()``: another program, which goes on making the calls it is asked for.

    All other threads of the process end.
    """

    charges = True

    def perform(self, seat: Seat) -> object:
        return execve(seat.live_on, "program")

    def outcomes(self, state: State, pid: int, answer: object) -> Iterator[State]:
        if answer is LOST:
            yield state
        if _is(answer, 0):
            yield _begin(state, pid)


def _begin(state: State, pid: int) -> State:
    """Let a process begin a program; what nobody else uses of its memory is gone."""
    p, old = state.proc(pid), state.space_of(pid)
    assert p is not None  # it makes a call
    name = -state.execs - 1
    space = Space(
        name,
        mapped=_TEXT | _DATA | _STACK,
        present=_BEGUN,
        text=_TEXT,
        stack=_STACK,
        family=name,
        grouped=old.grouped,
    )
    state = evolve(state, execs=state.execs + 1).put(evolve(p, space=name))
    return state.put_space(space).let_go(old.of)


@frozen
class Fork(Call):
    """``fork()``; the child can be asked for calls, too."""

    charges = True

    def perform(self, seat: Seat) -> object:
        return fork(seat.another())

    def _space(self, state: State, p: Proc, child: int) -> tuple[State, int]:
        space = state.space(p.space)
        assert space is not None  # its caller uses it
        copy = evolve(space, of=child, doomed=False, skip=False, refuses=False, held=0)
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

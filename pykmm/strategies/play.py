# SPDX-License-Identifier: GPL-2.0-only
"""Playing programs that are values on a machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..linux.mm_types import PMD_SIZE
from ..linux.sched import PF_KTHREAD
from ..linux.uapi import O_CREAT, O_RDWR, SIGCHLD, SIGKILL, SIGTERM, SIGUSR1
from ..linux.uapi_mman import (
    MADV_DONTNEED,
    MADV_FREE,
    MADV_PAGEOUT,
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
)
from ..linux.uapi_sched import CLONE_VM
from ..mm.vmscan import try_to_free_pages
from ..syscalls import (
    brk,
    clone,
    close,
    execve,
    exit,
    exit_group,
    fork,
    ftruncate,
    kill,
    madvise,
    memfd_create,
    mlock,
    mmap,
    mprotect,
    mremap,
    munmap,
    open,
    pause,
    pidfd_open,
    process_mrelease,
    process_vm_readv,
    pthread_create,
    sigaction,
    touch,
    vfork,
    wait4,
)

if TYPE_CHECKING:
    from ..workbench import Machine
    from .acts import Act

__all__ = ["Player", "end_all", "play"]

_PAGE: Final = 4096
#: How long the files are that several have.
_FILE_PAGES: Final = 8
_BOTH: Final = PROT_READ | PROT_WRITE


def _ignore(sig: int) -> None:
    """Be a handler: go on."""
    del sig


class Player:
    """A process that plays acts: it knows its mappings and *cast*, all processes."""

    def __init__(self, cast: list[int], areas: list[tuple[int, int]]) -> None:
        self.cast = cast
        self.areas = areas

    def play(self, program: Sequence[Act]) -> None:
        """Play *program* on the running thread."""
        for act in program:
            getattr(self, f"_{act.name}")(act)

    def _later(self, act: Act, *, shared: bool) -> Callable[[], None]:
        """Return what the new task of *act* does."""
        areas = self.areas if shared else list(self.areas)
        return lambda: Player(self.cast, areas).play(act.program)

    def _area(self, act: Act) -> tuple[int, int]:
        """Choose a mapping; without one, addresses at which nothing is."""
        if not self.areas:
            return 0x10000, _PAGE
        return self.areas[act.which % len(self.areas)]

    def _part(self, act: Act) -> tuple[int, int]:
        """Choose a part of a mapping, which is never longer than that."""
        start, length = self._area(act)
        return start, min(length, act.pages * _PAGE)

    def _somebody(self, act: Act) -> int:
        return self.cast[act.which % len(self.cast)]

    # -- memory

    def _mapped(self, addr: int, length: int) -> None:
        if addr >= 0:
            self.areas.append((addr, length))

    def _mmap(self, act: Act) -> None:
        length = act.pages * _PAGE
        self._mapped(mmap(0, length, _BOTH, MAP_PRIVATE | MAP_ANONYMOUS), length)

    def _share(self, act: Act) -> None:
        length = act.pages * _PAGE
        self._mapped(mmap(0, length, _BOTH, MAP_SHARED | MAP_ANONYMOUS), length)

    def _memfd(self, act: Act) -> None:
        fd = memfd_create("memfd")
        ftruncate(fd, act.pages * _PAGE)
        self._map_file(fd, act)

    def _file(self, act: Act) -> None:
        fd = open(f"/file{act.which}", O_CREAT | O_RDWR)
        ftruncate(fd, _FILE_PAGES * _PAGE)
        self._map_file(fd, act)

    def _huge(self, act: Act) -> None:
        kind = MAP_PRIVATE if act.which % 2 else MAP_SHARED
        flags = kind | MAP_ANONYMOUS | MAP_HUGETLB
        if act.which % 3 == 0:
            flags |= MAP_NORESERVE
        length = (act.pages % 2 + 1) * PMD_SIZE
        self._mapped(mmap(0, length, _BOTH, flags), length)

    def _map_file(self, fd: int, act: Act) -> None:
        """Map a file, for all or for oneself; a child may inherit the descriptor."""
        length = act.pages * _PAGE
        flags = MAP_PRIVATE if act.pages % 2 else MAP_SHARED
        self._mapped(mmap(0, length, _BOTH, flags, fd), length)
        if act.which % 2:
            close(fd)

    def _touch(self, act: Act) -> None:
        if self.areas:
            touch(*self._part(act))

    def _read(self, act: Act) -> None:
        if self.areas:
            touch(*self._part(act), write=False)

    def _munmap(self, act: Act) -> None:
        munmap(*self._part(act))

    def _mprotect(self, act: Act) -> None:
        mprotect(*self._part(act), PROT_READ if act.pages % 2 else _BOTH)

    def _dontneed(self, act: Act) -> None:
        madvise(*self._part(act), MADV_DONTNEED)

    def _free(self, act: Act) -> None:
        madvise(*self._part(act), MADV_FREE)

    def _pageout(self, act: Act) -> None:
        madvise(*self._part(act), MADV_PAGEOUT)

    def _mremap(self, act: Act) -> None:
        start, length = self._area(act)
        new = 2 * act.pages * _PAGE
        self._mapped(mremap(start, length, new, MREMAP_MAYMOVE), new)

    def _mlock(self, act: Act) -> None:
        mlock(*self._part(act))

    def _brk(self, act: Act) -> None:
        brk(brk(0) + act.pages * _PAGE)

    # -- others

    def _kill(self, act: Act) -> None:
        kill(self._somebody(act), SIGKILL)

    def _term(self, act: Act) -> None:
        kill(self._somebody(act), SIGTERM)

    def _usr1(self, act: Act) -> None:
        kill(self._somebody(act), SIGUSR1)

    def _handle(self, act: Act) -> None:
        sigaction((SIGUSR1, SIGTERM, SIGCHLD)[act.which % 3], _ignore)

    def _mrelease(self, act: Act) -> None:
        fd = pidfd_open(self._somebody(act), 0)
        if fd >= 0:
            process_mrelease(fd, 0)
            close(fd)

    def _peek(self, act: Act) -> None:
        part = [self._part(act)]
        process_vm_readv(self._somebody(act), part, part, 0)

    def _wait(self, act: Act) -> None:
        del act
        wait4(-1)

    # -- beginning and ending

    def _made(self, pid: int) -> None:
        if pid > 0:
            self.cast.append(pid)

    def _fork(self, act: Act) -> None:
        self._made(fork(self._later(act, shared=False)))

    def _clone_vm(self, act: Act) -> None:
        self._made(clone(CLONE_VM | SIGCHLD, self._later(act, shared=True)))

    def _thread(self, act: Act) -> None:
        pthread_create(self._later(act, shared=True))

    def _vfork(self, act: Act) -> None:
        self._made(vfork(self._later(act, shared=True)))

    def _exec(self, act: Act) -> None:
        execve(lambda: Player(self.cast, []).play(act.program), "program")

    def _exit(self, act: Act) -> None:
        exit(act.which)

    def _exit_group(self, act: Act) -> None:
        exit_group(act.which)

    def _pause(self, act: Act) -> None:
        del act
        pause()


def play(machine: Machine, programs: Sequence[Sequence[Act]], **facts: Any) -> None:
    """Spawn a process for each of *programs*, and run until nobody has anything to do.

    They know each other's numbers, and those of all that come later. *facts* say what
    each is spawned with: ``memcg=``, for instance.
    """
    players = [machine.spawn(f"p{n}", **facts) for n, _ in enumerate(programs)]
    cast = [process.pid for process in players]
    for process, program in zip(players, programs, strict=True):
        player = Player(cast, [])
        process.runs(lambda player=player, program=program: player.play(program))
    machine.run()


def end_all(machine: Machine) -> None:
    """Kill whoever is left but init, wait, and drop the cache of the files they used.

    Context: The caller is the machine's host: inside of its ``with`` block.
    """
    for task in machine.tasks():
        facts = task.__dict__
        if task is not machine.init.task and not facts["flags"] & PF_KTHREAD:
            kill(facts["pid"], SIGKILL)
    machine.run()
    nodes = range(len(machine.config.node_pages))
    try_to_free_pages(machine.config.totalram_pages, frozenset(nodes))

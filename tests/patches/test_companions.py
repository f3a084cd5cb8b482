# SPDX-License-Identifier: GPL-2.0-only
"""The page cache and a release: what the first two patches of the series change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from pykmm.engine import Config, Timers
from pykmm.linux.mm_types import address_space
from pykmm.linux.page_flags import PG_active, PG_referenced
from pykmm.linux.sched import task_struct
from pykmm.linux.sched.task import task_lock, task_unlock
from pykmm.linux.uapi import MAP_PRIVATE, PROT_READ, SIGKILL
from pykmm.mm._conservation import _books
from pykmm.mm.oom_kill import mark_oom_victim, queue_oom_reaper
from pykmm.mm.vmscan import try_to_free_pages
from pykmm.patches.companions import COMPANIONS
from pykmm.patches.designs import DESIGNS
from pykmm.patches.patch import Patch, apply
from pykmm.scenarios.release.callers import release
from pykmm.syscalls import exit_group, kill, mmap, open, pause, touch
from pykmm.workbench import Machine, Process
from tests.scenarios.release.exploring import explored

EVICT, UNMARKED = COMPANIONS["evict-clean"], COMPANIONS["leave-unmarked"]
NR = 8
LENGTH = NR * 4096
ALL = (1 << NR) - 1
GONE = pytest.param([EVICT], 0, id="evict-clean")
NOTHING = pytest.param([], NR, id="as-is")

Boot = Callable[[Sequence[Patch]], Machine]


@pytest.fixture
def boot() -> Iterator[Boot]:
    with ExitStack() as stack:

        def _boot(patches: Sequence[Patch]) -> Machine:
            m = stack.enter_context(Machine(Config(timers=Timers.IDLE)))
            apply(m, patches)
            m.file("/file", LENGTH)
            return m

        yield _boot
        assert _books() == []


def use_file() -> None:
    fd = open("/file")
    touch(mmap(0, LENGTH, PROT_READ, MAP_PRIVATE, fd), LENGTH, False)


def user(m: Machine, name: str, *, exits: bool = False) -> Process:
    """Run a process that maps the file and uses all of it."""
    process = m.spawn(name)

    @process.runs
    def _() -> None:
        use_file()
        exit_group(0) if exits else pause()

    m.run()
    return process


def cache(m: Machine) -> address_space:
    return next(x for x in m.alive if isinstance(x, address_space) and not x.is_shmem)


def cached(m: Machine) -> int:
    return cache(m).i_pages.get(0, 0).bit_count()


def marks(m: Machine) -> tuple[int, int]:
    """Return which pages are referenced, and which are active."""
    flags = cache(m)._flags
    return flags[PG_referenced].get(0, 0), flags[PG_active].get(0, 0)


def kill_and_release(m: Machine, app: Process) -> None:
    """Let a daemon reap *app*, which does not come to exit meanwhile."""
    app.freeze()
    lmkd = m.spawn("lmkd")
    lmkd.runs(lambda: release(m, app.pid))
    m.run()
    assert lmkd.result == 0


# -- 1/3: evict clean pages ------------------------------------------------------------


@pytest.mark.parametrize(("patches", "left"), [NOTHING, GONE])
def test_a_release_frees_pages_of_files_at_once(
    boot: Boot, patches: list[Patch], left: int
) -> None:
    m = boot(patches)
    app = user(m, "app")
    kill_and_release(m, app)
    assert cached(m) == left
    app.thaw()
    m.run()
    assert cached(m) == left


@pytest.mark.parametrize("patches", [[], [EVICT]])
def test_what_somebody_else_maps_stays(boot: Boot, patches: list[Patch]) -> None:
    m = boot(patches)
    user(m, "other")
    kill_and_release(m, user(m, "app"))
    assert cached(m) == NR


@pytest.mark.parametrize(("patches", "read"), [([], 0), ([EVICT], 1)])
def test_who_comes_back_to_the_file_has_to_read_it_again(
    boot: Boot, patches: list[Patch], read: int
) -> None:
    """The maintainer's objection: the cache belongs to no process."""
    m = boot(patches)
    user(m, "innocent", exits=True)
    kill_and_release(m, user(m, "app"))
    before = len(m.events)
    user(m, "again")
    kinds = [event.kind for event in m.events[before:]]
    assert kinds.count("filemap_add_folio") == read


@pytest.mark.parametrize(("patches", "left"), [NOTHING, GONE])
def test_the_kernels_own_reaper_does_the_same(
    boot: Boot, patches: list[Patch], left: int
) -> None:
    """A reviewer's objection: that path is not the system call's alone."""
    m = boot(patches)
    app = user(m, "app")
    app.freeze()
    kill(app.pid, SIGKILL)
    mark(m, app.task)
    m.run()
    assert cached(m) == left


def mark(m: Machine, task: task_struct) -> None:
    with m.as_boot():
        task_lock(task)
        mark_oom_victim(task)
        task_unlock(task)
        queue_oom_reaper(task)


def test_an_exit_that_nobody_expedites_evicts_nothing(boot: Boot) -> None:
    m = boot([EVICT])
    user(m, "app", exits=True)
    assert cached(m) == NR


@pytest.mark.parametrize(
    ("design", "by"),
    [("A", {"", "app", "lmkd"}), ("B0", {"app", "lmkd"}), ("B", {"lmkd"})],
)
def test_who_frees_the_cache(design: str, by: set[str]) -> None:
    """Whoever comes first, if the memory is marked by then; under A it may not be."""

    def play(m: Machine) -> str:
        m.file("/file", LENGTH)
        app, lmkd = user(m, "app"), m.spawn("lmkd")
        start = len(m.events)
        lmkd.runs(lambda: release(m, app.pid))
        m.run()
        return " ".join(
            event.thread.name
            for event in m.events[start:]
            if event.kind == "mapping_evict_folio" and event.value
        )

    result = explored(play, DESIGNS[design], EVICT)
    assert result.complete
    assert {outcome.value for outcome in result.outcomes} == by


# -- 2/3: leave them unmarked ----------------------------------------------------------


@pytest.mark.parametrize(("patches", "found"), [([], (0, ALL)), ([UNMARKED], (ALL, 0))])
def test_a_victim_makes_nothing_active(
    boot: Boot, patches: list[Patch], found: tuple[int, int]
) -> None:
    m = boot(patches)
    user(m, "before", exits=True)
    kill_and_release(m, user(m, "app"))
    assert marks(m) == found


@pytest.mark.parametrize(("patches", "goes"), [([], 0), ([UNMARKED], NR)])
def test_what_a_victim_used_goes_first(
    boot: Boot, patches: list[Patch], goes: int
) -> None:
    """Marked, it outlives whatever has been used once only."""
    m = boot(patches)
    user(m, "before", exits=True)
    kill_and_release(m, user(m, "app"))
    other = m.spawn("other")
    m.file("/other", LENGTH)
    other.runs(use_other_file)
    m.run()
    with m.as_boot():
        try_to_free_pages(NR, frozenset({0}))
    assert NR - cached(m) == goes


def use_other_file() -> None:
    fd = open("/other")
    touch(mmap(0, LENGTH, PROT_READ, MAP_PRIVATE, fd), LENGTH, False)
    exit_group(0)


def test_what_others_map_is_marked_as_ever(boot: Boot) -> None:
    m = boot([UNMARKED])
    user(m, "other")
    kill_and_release(m, user(m, "app"))
    assert marks(m) == (ALL, 0)


def test_any_other_exit_marks_as_ever(boot: Boot) -> None:
    """The maintainer's question: why only this one?"""
    m = boot([UNMARKED])
    user(m, "app", exits=True)
    assert marks(m) == (ALL, 0)


def test_the_two_and_the_third_compose(boot: Boot) -> None:
    m = boot([EVICT, UNMARKED, DESIGNS["B"]])
    kill_and_release(m, user(m, "app"))
    assert (cached(m), marks(m)) == (0, (0, 0))

# SPDX-License-Identifier: GPL-2.0-only
"""Programs that touch more memory than there is.

The one that asks for too much is called *hog*. Machines and cgroups are small, so
that it gets there after a few pages; what follows is what follows on any machine.
"""

from __future__ import annotations

from collections.abc import Callable

from ..boot import Region
from ..engine.config import Config, Timers
from ..linux.completion import complete, completion, wait_for_completion
from ..linux.gfp_types import GFP_KERNEL
from ..linux.mutex import mutex, mutex_lock, mutex_unlock
from ..linux.printk import console
from ..mm._conservation import _books
from ..mm.memcontrol import memory_events_show
from ..mm.mempolicy_alloc import alloc_pages
from ..mm.page_alloc import __free_pages
from ..scenario import Scenario
from ..syscalls import touch
from ..workbench import Machine, Process

__all__ = ["SCENARIOS"]

_PAGE = 4096
#: So many pages of a machine are for nobody (128 KiB), and the next mark above.
_KBYTES = 128
_MIN = 32


def _hog(m: Machine, pages: int, **facts: object) -> Process:
    """Spawn a process that touches *pages* pages; its result says that it could."""
    region = Region("anon", pages * _PAGE, populated=0)
    hog = m.spawn("hog", regions=[region], **facts)  # type: ignore[arg-type]  # spawn's own

    @hog.runs
    def _() -> str:
        memory = hog.memory[0]
        touch(memory.start, len(memory))
        return "has its memory"

    return hog


def _told(m: Machine, *processes: Process) -> object:
    """Run to rest, and return who was killed, who was reaped, and what hog has.

    Kills are in order, and so are reaps. Which of the two is printed first is chance.
    """
    m.run()
    wrong = _books()
    assert wrong == [], wrong
    names = {str(p.pid): p.name for p in processes}
    story: list[str] = []
    for said, end in (("Killed process", "killed"), ("oom_reaper: reaped", "reaped")):
        for words in [line.split() for line in console().verdicts() if said in line]:
            story.append(f"{names[words[words.index('process') + 1]]} {end}")
    story += [f"{p.name} {p.result}" for p in processes if p.result is not None]
    return ", ".join(story)


def oom_kill(m: Machine) -> object:
    """One process asks for what another one has, which is killed and exits."""
    app = m.spawn("app", anon="40M")
    return _told(m, app, _hog(m, _MIN))


def oom_kill_twice(m: Machine) -> object:
    """The same with a victim so small that its memory comes free last of all."""
    app = m.spawn("app", anon="64K")
    return _told(m, app, _hog(m, 12))


def oom_kill_itself(m: Machine) -> object:
    """Who asks for too much dies of it, by itself or with the reaper's help."""
    return _told(m, _hog(m, 24))


def oom_kill_stuck(m: Machine) -> object:
    """The victim waits for a lock that the one who is short of memory holds."""
    lock, held, inside = mutex(), completion(), completion()
    app, driver = m.spawn("app", anon="64K"), m.spawn("driver")

    @driver.runs
    def _() -> str:
        mutex_lock(lock)
        complete(held)
        wait_for_completion(inside)
        pages = [alloc_pages(GFP_KERNEL, 0) for _ in range(20)]
        mutex_unlock(lock)
        for page in filter(None, pages):
            __free_pages(page.nr, page.nid)
        return "had its memory" if all(pages) else "had not enough"

    @app.runs
    def _() -> None:
        wait_for_completion(held)
        complete(inside)
        mutex_lock(lock)
        mutex_unlock(lock)

    return _told(m, app, driver)


def memcg_oom(m: Machine) -> object:
    """A cgroup is full: its largest process dies, and its counters say so."""
    box = m.cgroup("box", memory_max="96K")
    app = m.spawn("app", anon="48K", memcg=box)
    told = _told(m, app, _hog(m, 16, memcg=box))
    events = dict(line.split() for line in memory_events_show(box).splitlines())
    return f"{told}, oom_kill {events['oom_kill']}"


def memcg_oom_group(m: Machine) -> object:
    """The same where all of the cgroup die, the largest process before the others."""
    box = m.cgroup("box", memory_max="96K", oom_group=True)
    hog = _hog(m, 16, memcg=box)
    app = m.spawn("app", anon="48K", memcg=box)
    return _told(m, app, hog)


def _scenario(
    name: str,
    function: Callable[[Machine], object],
    summary: str,
    *,
    pages: int,
    executions: int | None = None,
    timers: Timers = Timers.IDLE,
    oom_kill_allocating_task: int = 0,
) -> Scenario:
    config = Config(
        node_pages=(pages,),
        min_free_kbytes=_KBYTES,
        oom_dump_tasks=0,
        oom_kill_allocating_task=oom_kill_allocating_task,
        timers=timers,
    )
    return Scenario(
        name=name,
        function=function,
        summary=summary,
        config=config,
        machine=Machine,
        executions=executions,
    )


SCENARIOS = (
    _scenario(
        "oom-kill",
        oom_kill,
        "no memory is left: one process waits for the exit of another",
        pages=10326,
    ),
    _scenario(
        "oom-kill-twice",
        oom_kill_twice,
        "the victim is done before its memory is free: one more is killed",
        pages=64,
        executions=150,
    ),
    _scenario(
        "oom-kill-itself",
        oom_kill_itself,
        "oom_kill_allocating_task: the victim's exit against the reaper",
        pages=48,
        timers=Timers.ADVERSARIAL,
        oom_kill_allocating_task=1,
    ),
    _scenario(
        "oom-kill-stuck",
        oom_kill_stuck,
        "the victim cannot exit until the reaper has taken its memory",
        pages=64,
        timers=Timers.ADVERSARIAL,
    ),
    _scenario(
        "memcg-oom",
        memcg_oom,
        "a cgroup at its limit: a process of it waits for another one's exit",
        pages=1024,
        executions=250,
    ),
    _scenario(
        "memcg-oom-group",
        memcg_oom_group,
        "a cgroup at its limit, of which nobody may be left",
        pages=1024,
        executions=250,
    ),
)

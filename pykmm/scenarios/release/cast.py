# SPDX-License-Identifier: GPL-2.0-only
"""Who takes part: a victim, a caller, and a reader who holds the memory.

The victim has two private mappings and one of a shared file in between, a page-table
page each. Nobody waits for who has died, unless the scene says so: init would reap
everybody, and each of its steps would be one more to be ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field

from ...boot import Region
from ...holds import Hold
from ...linux.mm import PMD_SHIFT, VM_SHARED, for_each_vma
from ...linux.mm_types import MM_ANONPAGES, VMA_ITERATOR, mm_struct
from ...linux.sched import PF_KTHREAD, task_struct
from ...linux.signal import sigaction
from ...linux.uapi import SIG_DFL, SIG_IGN, SIGCHLD
from ...workbench import Machine, Process
from .callers import release
from .laws import check
from .outcomes import Facts, Judged, judge

__all__ = [
    "MEMORY",
    "ONE_MAPPING",
    "TWO_MAPPINGS",
    "Cast",
    "ignores_children",
    "nobody_waits",
]

_SIZE: Final = 64 << 10

#: What the victim has: private, shared, private, from the lowest address up.
MEMORY: Final = (
    Region("anon", _SIZE),
    Region("file", _SIZE, shared=True),
    Region("anon", _SIZE),
)

#: Enough where it does not matter how far a walk has come when another one begins.
ONE_MAPPING: Final = MEMORY[:1]

#: Enough for two walks to meet.
TWO_MAPPINGS: Final = MEMORY[::2]


@define
class Cast:
    """The processes of one scene, and how it ends.

    >>> cast = Cast.of(machine)  # doctest: +SKIP
    >>> return cast.play()  # doctest: +SKIP
    """

    m: Machine
    victim: Process
    mm: mm_struct
    callers: tuple[Process, ...]
    #: Page-table pages with private memory.
    private: frozenset[int]
    reader: Hold | None = None
    sharers: tuple[Process, ...] = ()
    bystanders: tuple[Process, ...] = ()
    roles: dict[str, str] = field(factory=dict)
    #: What the host does once all are judged, so that all come to an end.
    afterwards: Callable[[], object] | None = None

    @classmethod
    def of(
        cls,
        m: Machine,
        *,
        read: bool = True,
        waits: bool = False,
        uid: int = 0,
        caller_uid: int = 0,
        callers: Sequence[str] = ("lmkd",),
        memory: Sequence[Region] = MEMORY,
        threads: int = 1,
        shares: Process | None = None,
    ) -> Cast:
        """Spawn a victim and its callers.

        The victim has *memory*, or uses that of the process that it *shares* with.
        With *read* somebody holds ``mm_users`` until all are at rest, and by default
        init, whose children they are, *waits* for nobody.
        """
        # One design hands its work to the reaper, which others would only wait for.
        m._reaper = any(patch.name == "H3" for patch in m.applied)
        if not waits:
            nobody_waits(m)
        app = m.spawn("app", regions=memory, uid=uid, threads=threads, shares_mm=shares)
        daemons = tuple(m.spawn(name, uid=caller_uid) for name in callers)
        cast = cls.naming(m, app, daemons)
        if read:
            cast.reader = _reader(m, app)
        for daemon in daemons:
            cast.let_release(daemon)
        return cast

    @classmethod
    def naming(cls, m: Machine, app: Process, daemons: tuple[Process, ...]) -> Cast:
        """Give a victim and its callers, who exist already, their parts."""
        mm = app.mm
        assert mm is not None  # it is alive
        cast = cls(m, app, mm, daemons, _private(app))
        cast.roles = {"app": "V", "init": "P", "host": "R", "oom_reaper": "O"}
        cast.roles |= {daemon.name: "K" for daemon in daemons}
        return cast

    def let_release(self, daemon: Process, pid: int = 0) -> None:
        """Let *daemon* kill the victim and release its memory, as the design has it.

        It knows the victim by *pid*, or by the number that all know.
        """
        pid, machine = pid or self.victim.pid, self.m

        @daemon.runs
        def _() -> int:
            return release(machine, pid)

    def call_in(self, name: str) -> None:
        """Spawn one more caller."""
        daemon = self.m.spawn(name)
        self.callers += (daemon,)
        self.roles[name] = "K"
        self.let_release(daemon)

    def share(
        self, name: str, *, uid: int = 0, parent: Process | None = None
    ) -> Process:
        """Spawn a process that shares the victim's address space."""
        sharer = self.m.spawn(name, shares_mm=self.victim, uid=uid, parent=parent)
        self.sharers += (sharer,)
        self.roles[name] = "X"
        return sharer

    def play(self) -> Judged:
        """Run to rest, judge, and let the reader go."""
        self.m.run()
        facts = self._facts()
        judged = judge(facts)
        with self.m.as_boot():
            check(facts)
        if self.afterwards is not None:
            with self.m.as_boot():
                self.afterwards()
            self.m.run()
        if self.reader is not None:
            self.reader.let_go()
            self.m.run()
        return judged

    def _offspring(self) -> tuple[task_struct, ...]:
        """Return the processes that programs have made, dead or alive.

        A copy that failed never lived.
        """
        spawned = {id(process.task) for process in self.m.processes}
        return tuple(
            obj
            for obj in (*self.m.alive, *self.m.dead)
            if isinstance(obj, task_struct)
            and id(obj) not in spawned
            and not obj.__dict__["flags"] & PF_KTHREAD
            and obj.__dict__["group_leader"] is obj
            and (obj._death is None or obj.__dict__["exit_state"])
        )

    def _facts(self) -> Facts:
        results = tuple(daemon.result for daemon in self.callers)
        return Facts(
            machine=self.m,
            mm=self.mm,
            ret=results[0] if len(results) == 1 else results,
            target=self.victim.task,
            callers=(*(daemon.name for daemon in self.callers), "oom_reaper"),
            roles=self.roles,
            sharers=(*_tasks(self.sharers), *self._offspring()),
            bystanders=_tasks(self.bystanders),
            left=self.mm.rss_stat[MM_ANONPAGES].counter,
            private=self.private,
        )


def nobody_waits(m: Machine) -> None:
    """Let init leave its dead children be."""
    _handle_children(m.init, SIG_DFL)


def ignores_children(m: Machine) -> Process:
    """Spawn a process whose children leave no zombies."""
    parent = m.spawn("shell")
    _handle_children(parent, SIG_IGN)
    return parent


def _handle_children(parent: Process, handler: int) -> None:
    sighand = parent.task.__dict__["sighand"]
    with parent.machine.as_boot():
        sighand.action = {SIGCHLD: sigaction(handler)}


def _private(app: Process) -> frozenset[int]:
    """Return the page-table pages of the mappings that are not shared."""
    mm = app.mm
    assert mm is not None  # it has just been spawned
    own = [v for v in for_each_vma(VMA_ITERATOR(mm, 0)) if not v.vm_flags & VM_SHARED]
    return frozenset(
        table
        for vma in own
        for table in range(vma.vm_start >> PMD_SHIFT, (vma.vm_end - 1 >> PMD_SHIFT) + 1)
    )


def _tasks(processes: Sequence[Process]) -> tuple[task_struct, ...]:
    return tuple(process.task for process in processes)


def _reader(m: Machine, app: Process) -> Hold:
    """Let somebody read *app*, who keeps what the design lets readers keep.

    Under design G that is the structure, and not the memory.
    """
    if any(patch.name == "G" for patch in m.applied):
        return m.hold(app.space.mm_count, by="reader (mm_count)")
    return m.hold(app.space.mm_users, by="reader (mm_users)")

# SPDX-License-Identifier: GPL-2.0-only
"""The vocabulary of the argument: what can become of a kill and a release.

Each word is a predicate over what one execution came to, taken once everybody is at
rest, and before a reader that holds the memory lets go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from ...engine.events import Access
from ...engine.fields import field_of
from ...errno import ESRCH
from ...linux.mm_types import mm_struct
from ...linux.sched.signal import SIGNAL_GROUP_EXIT
from .zaps import Visit, last_user, may_contend, visits

if TYPE_CHECKING:
    from ...engine.machine import Machine
    from ...engine.thread import Thread
    from ...linux.sched import task_struct

__all__ = ["OUTCOMES", "Facts", "Judged", "Word", "judge"]


@frozen(eq=False)
class Facts:
    """What an execution came to, for the predicates to look at.

    *caller* is the name of the thread that releases the memory, *role* tells what
    each other thread is; *target* is the process that the caller named, *sharers*
    are others that show its address space, and *reader* is who holds a user of it.
    """

    machine: Machine
    mm: mm_struct
    ret: object
    target: task_struct
    callers: tuple[str, ...]
    roles: dict[str, str]
    sharers: tuple[task_struct, ...] = ()
    #: Processes that nobody named, and that should live.
    bystanders: tuple[task_struct, ...] = ()
    #: Page-table pages with private memory, which a reap pass may take.
    private: frozenset[int] = frozenset()
    #: Private pages that are still there.
    left: int = 0
    visits: list[Visit] = field(init=False)
    freed_by: Thread | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "visits", visits(self.machine, self.mm))
        object.__setattr__(self, "freed_by", last_user(self.machine, self.mm))

    def role(self, thread: Thread) -> str:
        """Return the letter for what *thread* is."""
        return self.roles.get(thread.name.partition("/")[0], "?")

    def reaps(self) -> list[Visit]:
        """Return the callers' visits that were no part of a teardown."""
        return [v for v in self.visits if self._calls(v.thread)]

    def teardown(self) -> list[Visit]:
        """Return visits to private memory by who took the address space down."""
        if self.freed_by is None or self._calls(self.freed_by):
            return []
        return [
            v
            for v in self.visits
            if v.thread is self.freed_by and v.table in self.private
        ]

    def _calls(self, thread: Thread) -> bool:
        return thread.name in self.callers

    @property
    def took_hold(self) -> bool:
        """Whether a caller took a reference on the address space."""
        counts = (self.mm.mm_count, self.mm.mm_users)
        return any(
            event.access is Access.INC and event.obj in counts
            for event in self.machine.events
            if self._calls(event.thread)
        )

    @property
    def switched(self) -> bool:
        """Whether the target has turned to another address space."""
        shown = field_of(self.target, "mm")
        return any(
            isinstance(event.value, mm_struct) and event.value is not self.mm
            for event in self.machine.events
            if event.obj is shown and event.access is Access.WRITE
        )

    @property
    def errors(self) -> list[int]:
        """What failed calls returned."""
        return [ret for ret in self._rets if isinstance(ret, int) and ret < 0]

    @property
    def succeeded(self) -> bool:
        """Whether a call came to 0."""
        return 0 in self._rets

    @property
    def _rets(self) -> tuple[object, ...]:
        return self.ret if isinstance(self.ret, tuple) else (self.ret,)


def is_dying(task: task_struct) -> bool:
    """Tell whether the group of *task* was killed, or is gone."""
    if task._death is not None:
        return True
    return bool(task.__dict__["signal"].__dict__["flags"] & SIGNAL_GROUP_EXIT)


def was_killed(task: task_struct) -> bool:
    """Tell whether the group of *task* dies, or died, of a signal."""
    code: int = task.__dict__["signal"].__dict__["group_exit_code"]
    return is_dying(task) and bool(code & 0x7F)


# -- the predicates ------------------------------------------------------------------


def _strand(facts: Facts) -> bool:
    return facts.left > 0 and is_dying(facts.target) and _nobody_shows(facts)


def _nobody_shows(facts: Facts) -> bool:
    tasks = (facts.target, *facts.sharers)
    return all(task.__dict__["mm"] is not facts.mm for task in tasks)


def _kpin(facts: Facts) -> bool:
    return facts.freed_by is not None and facts.freed_by.name in facts.callers


def _meet(facts: Facts) -> bool:
    return any(v.found for v in facts.reaps()) and any(
        v.found for v in facts.teardown()
    )


def _rewalk(facts: Facts) -> bool:
    mine = {v.table for v in facts.reaps()}
    return any(v.table in mine for v in facts.teardown())


def _contend(facts: Facts) -> bool:
    return bool(may_contend(facts.machine, facts.reaps(), facts.teardown()))


def _livezap(facts: Facts) -> bool:
    alive = [t for t in (facts.target, *facts.sharers) if not is_dying(t)]
    shows = any(t.__dict__["mm"] is facts.mm for t in alive)
    return shows and any(v.found for v in facts.reaps())


def _innocent(facts: Facts) -> bool:
    return any(was_killed(t) for t in (*facts.sharers, *facts.bystanders))


def _partial(facts: Facts) -> bool:
    killed = [is_dying(t) for t in (facts.target, *facts.sharers)]
    return bool(facts.errors) and any(killed) and not all(killed)


def _killed_err(facts: Facts) -> bool:
    return bool(facts.errors) and was_killed(facts.target)


def _nokill(facts: Facts) -> bool:
    return facts.succeeded and not is_dying(facts.target)


def _wrongmm(facts: Facts) -> bool:
    return facts.succeeded and facts.took_hold and facts.switched


def _spur(facts: Facts) -> bool:
    # -ESRCH claims nothing about the living.
    claims = any(error != -ESRCH for error in facts.errors)
    return claims and all(is_dying(t) for t in (facts.target, *facts.sharers))


@frozen
class Word:
    """One word: what it says of an execution, and how to tell."""

    name: str
    says: str
    holds: Callable[[Facts], bool]


#: All words, in the order of their columns.
OUTCOMES: Final[tuple[Word, ...]] = (
    Word("STRAND", "all have let go but a third party, and pages are left", _strand),
    Word("KPIN", "the caller was the last user: memory waited for it", _kpin),
    Word("MEET", "reap and teardown met: each unmapped a part", _meet),
    Word("REWALK", "one walk came to page tables that the other had done", _rewalk),
    Word("CONTEND", "both walks may want one page-table lock at once", _contend),
    Word("LIVEZAP", "memory of a process that lives on was unmapped", _livezap),
    Word("INNOCENT", "a process that nobody named was killed", _innocent),
    Word("PARTIAL", "an error, somebody killed, and a sharer alive", _partial),
    Word("KILLED+ERR", "the target is killed, and the call failed", _killed_err),
    Word("WRONGMM", "success for memory that the target no longer uses", _wrongmm),
    Word("NOKILL", "success, and the target lives", _nokill),
    Word("SPUR", "an error although everybody who shares is dying", _spur),
)


@frozen(repr=False)
class Judged:
    """What one execution came to, in these words."""

    ret: object
    words: tuple[str, ...]
    #: Who took the address space down, by role; empty if nobody did.
    torn_down_by: str
    #: Who came to which page tables; no part of what is told apart.
    visits: tuple[Visit, ...] = field(default=(), eq=False)

    def says(self, name: str) -> bool:
        """Tell whether *name* is one of the words, the result, or ``T-BY=`` a role."""
        return name in (*self.words, repr(self.ret), f"T-BY={self.torn_down_by}")

    def __repr__(self) -> str:
        by = f" T-BY={self.torn_down_by}" if self.torn_down_by else ""
        return f"{self.ret!r}{by} {' '.join(self.words)}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        # Visits name a machine's threads, which stay in the process that ran them.
        return Judged, (self.ret, self.words, self.torn_down_by)


def judge(facts: Facts) -> Judged:
    """Say which words hold."""
    words = tuple(word.name for word in OUTCOMES if word.holds(facts))
    by = "" if facts.freed_by is None else facts.role(facts.freed_by)
    return Judged(facts.ret, words, by, tuple(facts.visits))

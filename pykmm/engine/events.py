# SPDX-License-Identifier: GPL-2.0-only
"""What primitives announce: one event for each visible step.

An event names who did what to which object, and in which *access class*. The
classes say which steps commute, and that is all an explorer has to know: two
steps of different threads depend on each other exactly if they touch the same
object and their classes conflict.

The class is chosen when the step has been taken, so it can depend on the
outcome: a failed trylock only read, setting a bit that was set only read, and
a decrement that did not reach zero commutes with another one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from .members import found_at_once

if TYPE_CHECKING:
    from .objects import Named
    from .thread import Thread

__all__ = ["CONFLICTS", "LOCKS", "LOOKS", "Access", "Event", "conflict"]


@found_at_once
class Access(IntEnum):
    """How a step touched its object."""

    READ = 0
    WRITE = 1
    #: Adds to a counter that the step does not look at: commutes with ADD. Where a
    #: method of the object guards steps, steps of one kind add the same.
    ADD = 2
    #: Takes a reference: commutes with INC.
    INC = 3
    #: Drops a reference, not the last one: commutes with DEC. Dropping the last
    #: one is a WRITE. That INC and DEC conflict keeps the classes sound: only
    #: then does "not the last one" hold in every order of a commuting set. The
    #: event's value is the number of references left.
    DEC = 4
    #: Takes and gives back a lock exclusively.
    ACQUIRE = 5
    RELEASE = 6
    #: Takes and gives back a lock shared: these commute with each other. A guard
    #: may look at how many share the lock, but not at who does.
    SHARE = 7
    UNSHARE = 8
    #: Went on because another thread's step let it (blocked until then).
    WAIT = 9
    #: Happens after everything that happened before it (the clock jumps).
    BARRIER = 10
    #: Drops a reference, maybe the last one, and who does must not be able to tell:
    #: what has to be done then is done by a thread that belongs to the counter.
    #: Commutes with DROP.
    DROP = 11


#: For the plainest primitives: Python 3.11 takes longer to find a member of an
#: enumeration than to call a function.
READ: Final = Access.READ
WRITE: Final = Access.WRITE
ADD: Final = Access.ADD
ACQUIRE: Final = Access.ACQUIRE
RELEASE: Final = Access.RELEASE
SHARE: Final = Access.SHARE
UNSHARE: Final = Access.UNSHARE

#: Classes of steps that take or give back a lock, and of those that change nothing.
LOCKS: Final = (ACQUIRE, RELEASE, SHARE, UNSHARE)
LOOKS: Final = (READ, Access.WAIT)

_COMMUTE: Final = {
    (Access.READ, Access.READ),
    (Access.READ, Access.WAIT),
    (Access.WAIT, Access.WAIT),
    (Access.ADD, Access.ADD),
    (Access.INC, Access.INC),
    (Access.DEC, Access.DEC),
    (Access.DROP, Access.DROP),
    (Access.SHARE, Access.SHARE),
    # Who shares now was not shared with by whoever waits: a wait ends when those
    # who shared before have gone.
    (Access.SHARE, Access.WAIT),
    (Access.SHARE, Access.UNSHARE),
    (Access.UNSHARE, Access.UNSHARE),
}

#: ``CONFLICTS[a][b]`` tells whether class *a* conflicts with class *b*.
CONFLICTS: Final[tuple[tuple[bool, ...], ...]] = tuple(
    tuple((a, b) not in _COMMUTE and (b, a) not in _COMMUTE for b in Access)
    for a in Access
)


class Event:
    """One step of one thread.

    ``blocking`` says that the step could not have been taken while the object's
    state forbade it (a lock held by somebody else, nothing to be woken by), so
    it cannot be moved before the step that allowed it.
    """

    __slots__ = (
        "access",
        "blocking",
        "index",
        "kind",
        "obj",
        "stack",
        "thread",
        "value",
    )

    index: int
    thread: Thread
    kind: str
    obj: Named
    access: Access
    blocking: bool
    #: What the object holds after the step, for people to read.
    value: object
    #: Function names, innermost first; only where the machine records them.
    stack: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<{self.index} {self.thread.name}: {self.kind} {self.obj.name}>"


def conflict(a: Event, b: Event) -> bool:
    """Tell whether swapping the neighbours *a* and *b* could be noticed."""
    if a.thread is b.thread or Access.BARRIER in (a.access, b.access):
        return True
    return a.obj.uid == b.obj.uid and CONFLICTS[a.access][b.access]

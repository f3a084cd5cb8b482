# SPDX-License-Identifier: GPL-2.0-only
"""What all primitives share: a place to live, and rules for those that are held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.ledger import holders
from ..engine.objects import Named, Struct
from ..engine.thread import current_thread
from ..errors import ContextError, Deadlock

if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import TracebackType

    from ..engine.thread import Thread

__all__ = ["Lock", "Primitive", "let_go", "refuse_recursion"]


class Primitive(Named):
    """Something embedded in a structure, or standing alone.

    One without an owner names and counts itself the way structures do, but it is
    never freed.
    """

    #: Uid and name of one that stands alone.
    _alone: tuple[Hashable, str] | None = None

    def __init__(self, owner: Struct | None = None) -> None:
        self.owner = owner
        if owner is None:
            thread = current_thread()
            kind = type(self).__name__
            name = f"{kind}#{thread.machine.number(kind)}"
            self._alone = ((*thread.key, -thread.created), name)
            thread.created += 1

    @property
    def uid(self) -> Hashable:
        return self._alone[0] if self._alone else super().uid

    @property
    def name(self) -> str:
        return self._alone[1] if self._alone else super().name

    def __repr__(self) -> str:
        owned = self._alone or (self.owner is not None and hasattr(self.owner, "_made"))
        return f"<{self.name}>" if owned else f"<{type(self).__name__}>"


class Lock(Primitive):
    """A primitive that threads hold: listed in ``thread.held``, once per hold."""

    #: Whether readers get in although a writer waits, so that they may nest.
    recursive: bool = False
    #: Attempts that found the lock taken; for measurements, no step.
    contended: int = 0

    def held_by(self, thread: Thread) -> bool:
        """Tell whether *thread* holds the lock, shared or exclusively."""
        return self in thread.held

    def held_exclusively_by(self, thread: Thread) -> bool:
        """Tell whether *thread* keeps everybody else out."""
        raise NotImplementedError

    def _release(self) -> None:
        """Give the lock back at the end of a ``with`` block."""
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()


def let_go(t: Thread, lock: Lock, *, holds: bool) -> None:
    """Take *lock* off *t*'s list; a report if it *holds* nothing to give back.

    Context: Inside a step on *lock*, or on a machine that is coming down.
    """
    held = t.held
    if held and held[-1] is lock:
        held.pop()
    elif lock in held:
        held.remove(lock)
    else:
        holds = False
    if not holds and not t.machine.stopping:
        raise ContextError(
            f"{t.name} gives back {lock.name}, which it does not hold",
            facts=holders(lock, t),
        )


def refuse_recursion(lock: Lock, holder: Thread | None, kind: str) -> None:
    """Report at once that *holder*, if it runs here, waits for itself."""
    t = current_thread()
    if holder is t and not t.machine.stopping:
        raise Deadlock(
            f"{t.name} waits for itself: {kind} {lock.name}, which it holds already",
            facts=[(t.name, f"holds {', '.join(x.name for x in t.held)}")],
        )

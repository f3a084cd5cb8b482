# SPDX-License-Identifier: GPL-2.0-only
"""Where reclaim finds pages, one list for each way that leads to them.

A page has no identity here, so a list has what leads to pages: a file, or the root of
a tree of forks. Which of them go first is decided by who made them, and not by when
they came: additions commute then, with each other and with what is taken off, and
only who reclaims takes steps that conflict with these.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Generic, TypeVar

from ..engine.events import Access
from ..engine.objects import Named
from ..engine.step import enter, leave
from ..linux._primitive import Primitive
from ..linux._shared_pages import Wanted, _Origin

__all__ = ["Lru"]

_T = TypeVar("_T", bound=Named)


def _age(uid: Hashable) -> tuple[object, ...]:
    """Make what sorts objects: those of one creator by age."""
    if isinstance(uid, tuple):
        return 2, *map(_age, uid)
    return (0, abs(uid)) if isinstance(uid, int) else (1, str(uid))


class Lru(Primitive, Generic[_T]):
    """What leads to pages of one sort, and how many look at it now."""

    #: What to call it in Linux's words that something is added to it, given back, and
    #: taken off, and to wait for who looks at it.
    _KINDS: ClassVar = (
        "folio_add_lru",
        "folio_putback_lru",
        "lruvec_del_folio",
        "folio_wait",
    )

    def __init__(self) -> None:
        super().__init__()
        #: Where pages came from that a member has had, if that is to be told.
        self.members: dict[_T, dict[_Origin, None]] = {}
        #: By how many a member is kept that could go away; there may be others.
        self.kept: dict[_T, int] = {}

    def _may_go(self, member: _T) -> bool:
        """Tell whether *member* can go away, so that whoever looks at it keeps it."""
        del member
        return True

    def add(self, member: _T, *origins: _Origin) -> None:
        """Let reclaim find pages, of these *origins*, through *member* from now on.

        Context: Any; something keeps *member*.
        """
        t = enter(self, self._KINDS[0])
        self.members.setdefault(member, {}).update(dict.fromkeys(origins))
        leave(t, self, Access.ADD)

    def take(self, kind: str, wanted: Wanted | None = None) -> list[_T]:
        """Return the members, in a step; none goes before :meth:`put` gives it back.

        With *wanted*, only those that have had pages of such an origin.
        """
        t = enter(self, kind)
        found = [
            member
            for member, origins in self.members.items()
            if wanted is None or any(map(wanted, origins))
        ]
        found.sort(key=lambda member: _age(member.uid))
        for member in filter(self._may_go, found):
            self.kept[member] = self.kept.get(member, 0) + 1
        leave(t, self, Access.SHARE, len(found))
        return found

    def put(self, members: list[_T]) -> None:
        """Give members back; for those that stay anyway, that is no step."""
        kept = list(filter(self._may_go, members))
        if not kept:
            return
        t = enter(self, self._KINDS[1])
        for member in kept:
            self.kept[member] -= 1
        leave(t, self, Access.UNSHARE, len(kept))

    def forget(self, member: _T) -> None:
        """Let reclaim find *member* no more, and wait for who has found it before.

        Context: May sleep. Nobody adds *member* any more.
        """
        t = enter(self, self._KINDS[2])
        self.members.pop(member, None)
        kept = self.kept.get(member, 0)
        leave(t, self, Access.ADD, kept)
        if kept:
            t = enter(self, self._KINDS[3], lambda: not self.kept[member])
            leave(t, self, Access.WAIT, blocking=True)
        self.kept.pop(member, None)

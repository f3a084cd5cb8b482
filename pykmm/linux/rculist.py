# SPDX-License-Identifier: GPL-2.0-only
"""Linked lists that readers walk without a lock — ``include/linux/rculist.h``.

The unit of conflict is one ``next`` pointer, as in memory: a walker that reads
it races only with whoever changes that pointer. An entry that was removed keeps
its own ``next``, so that a walker standing on it still reaches the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ..engine.annotate import mirrors
from ..engine.events import Access
from ..engine.objects import Named, Struct
from ..engine.step import enter, leave
from ..engine.thread import thread_here

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "hlists_swap_heads_rcu",
    "list_add_rcu",
    "list_add_tail_rcu",
    "list_del_rcu",
    "list_empty",
    "list_entries",
    "list_first_or_null_rcu",
    "list_for_each_entry_rcu",
    "list_head",
    "list_is_last",
    "list_replace_rcu",
]

_T = TypeVar("_T")


class list_head(Named, Generic[_T]):
    """A list's anchor, or an entry's link in it; *entry* is None in an anchor."""

    def __init__(self, owner: Struct, entry: _T | None = None) -> None:
        self.owner = owner
        self.entry = entry
        self.next: list_head[_T] = self
        self.prev: list_head[_T] = self


def _next(node: list_head[_T]) -> list_head[_T]:
    t = thread_here()
    if t is not None and t.is_boot and (node.owner or node)._death is None:
        return node.next  # the host's look: no step
    t = enter(node, "rcu_dereference")
    found = node.next
    leave(t, node, Access.READ, found.entry)
    return found


def _link(
    prev: list_head[_T], new: list_head[_T], following: list_head[_T], kind: str
) -> None:
    new.next = following
    new.prev = prev
    t = enter(prev, kind)
    prev.next = new
    following.prev = new
    leave(t, prev, Access.WRITE, new.entry)


@mirrors("include/linux/rculist.h", checked="v7.2", inline=True)
def list_add_rcu(new: list_head[_T], head: list_head[_T]) -> None:
    """Publish *new* right behind *head*.

    Context: The list's own lock is held; readers may be walking.
    """
    _link(head, new, head.next, "list_add_rcu")


@mirrors("include/linux/rculist.h", checked="v7.2", inline=True)
def list_add_tail_rcu(new: list_head[_T], head: list_head[_T]) -> None:
    """Publish *new* at the end of the list.

    Context: The list's own lock is held; readers may be walking.
    """
    _link(head.prev, new, head, "list_add_tail_rcu")


@mirrors("include/linux/rculist.h", checked="v7.2", inline=True)
def list_del_rcu(entry: list_head[_T]) -> None:
    """Take *entry* out; whoever stands on it can still go on.

    Context: The list's own lock is held; readers may be walking.
    """
    prev = entry.prev
    t = enter(prev, "list_del_rcu")
    prev.next = entry.next
    entry.next.prev = prev
    leave(t, prev, Access.WRITE, prev.next.entry)


@mirrors("include/linux/rculist.h", checked="v7.2", inline=True)
def list_replace_rcu(old: list_head[_T], new: list_head[_T]) -> None:
    """Put *new* where *old* stood.

    Context: The list's own lock is held; readers may be walking.
    """
    _link(old.prev, new, old.next, "list_replace_rcu")


@mirrors("include/linux/rculist.h", checked="v7.2", inline=True)
def hlists_swap_heads_rcu(left: list_head[_T], right: list_head[_T]) -> None:
    """Swap what stands in two lists of one entry each; neither is ever empty.

    Context: The lists' own lock is held; readers may be walking.
    """
    ours, theirs = left.next, right.next
    for head, node in ((left, theirs), (right, ours)):
        t = enter(head, "rcu_assign_pointer")
        head.next = head.prev = node
        node.next = node.prev = head
        leave(t, head, Access.WRITE, node.entry)


@mirrors("include/linux/list.h", checked="v7.2", inline=True)
def list_empty(head: list_head[_T]) -> bool:
    """Tell whether nothing follows *head*."""
    return _next(head) is head


@mirrors("include/linux/list.h", checked="v7.2", inline=True)
def list_is_last(entry: list_head[_T], head: list_head[_T]) -> bool:
    """Tell whether *entry* is the last one in the list at *head*."""
    return _next(entry) is head


@mirrors("include/linux/rculist.h", checked="v7.2", inline=True)
def list_first_or_null_rcu(head: list_head[_T]) -> _T | None:
    """Return the first entry, or None.

    Context: RCU read section, or the list's lock.
    """
    return _next(head).entry


@mirrors("include/linux/rculist.h", checked="v7.2", inline=True)
def list_for_each_entry_rcu(head: list_head[_T]) -> Iterator[_T]:
    """Walk the entries; each advance reads one pointer.

    Context: RCU read section, or the list's lock.
    """
    t = thread_here()
    if t is not None and t.is_boot and (head.owner or head)._death is None:
        # Nobody changes the list meanwhile; that of most groups has one member.
        entry = head.next.entry
        if entry is not None and head.next is head.prev:
            return iter((entry,))
        return iter(list_entries(head))
    return _walk(head)


def _walk(head: list_head[_T]) -> Iterator[_T]:
    node = _next(head)
    while node.entry is not None:
        yield node.entry
        node = _next(node)


def list_entries(head: list_head[_T]) -> list[_T]:
    """Return all entries without a step.

    Context: The lock that orders all writers is held, or the machine is at rest.
    """
    found = []
    node = head.next
    while (entry := node.entry) is not None:
        found.append(entry)
        node = node.next
    return found


def _append(new: list_head[_T], head: list_head[_T]) -> None:
    """Put *new* at the end of the list without a step: nobody walks it yet."""
    last = head.prev
    new.prev = last
    new.next = head
    last.next = new
    head.prev = new

# SPDX-License-Identifier: GPL-2.0-only
"""Reading a maple tree under RCU alone, beside a writer.

A tree that belongs to a structure knows the lock that orders its writers. Whoever
holds that lock walks the tree for nothing. Anybody else has to be in an RCU read
section, and every call is a step: it sees the tree as it is before or after each
store, which is a step as well while the tree is in RCU mode. What a state says is
true of the moment of its last call; the next one searches again if the tree has
changed, as Linux does when it finds itself in a dead node.

There are no nodes to free, hence no grace period for them. Linux frees a node when
those who may stand in it have left; what a reader has found, an entry, lives by rules
of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from ..engine.events import Access
from ..engine.step import enter, leave
from ..engine.thread import current_thread
from ..errors import ContextError
from .maple_tree_state import MT_FLAGS_USE_RCU, ma_state, maple_tree

if TYPE_CHECKING:
    from ..engine.thread import Thread

__all__ = ["lockless_load", "lockless_walk"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
T = TypeVar("T")


def _reader(tree: maple_tree[T]) -> Thread | None:
    """Return the thread that walks *tree* without its lock; None if it holds it."""
    t = current_thread()
    lock = tree.ma_external_lock
    if lock is None or t.is_boot or t.machine.stopping or lock.held_by(t):
        return None
    if not t.rcu_depth or not tree.ma_flags & MT_FLAGS_USE_RCU:
        held = ", ".join(x.name for x in t.held) or "nothing"
        how = "an RCU read section" if not t.rcu_depth else "readers under RCU"
        raise ContextError(
            f"{t.name} walks {tree._where.name} without {lock.name} and without {how}",
            facts=[(t.name, f"holds {held}")],
        )
    return t


def lockless_walk(
    walk: Callable[Concatenate[ma_state[T], _P], _R],
) -> Callable[Concatenate[ma_state[T], _P], _R]:
    """Make a call on a state a step for whoever does not hold the tree's lock."""

    def call(mas: ma_state[T], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        tree = mas.tree
        if tree.ma_external_lock is None or _reader(tree) is None:
            return walk(mas, *args, **kwargs)
        t = enter(tree._where, walk.__name__)
        found = walk(mas, *args, **kwargs)
        leave(t, tree._where, Access.READ, found)
        return found

    update_wrapper(call, walk)
    return call


def lockless_load(
    load: Callable[Concatenate[maple_tree[T], _P], _R],
) -> Callable[Concatenate[maple_tree[T], _P], _R]:
    """Do the same for a call on the tree itself."""

    def call(tree: maple_tree[T], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        if tree.ma_external_lock is None or _reader(tree) is None:
            return load(tree, *args, **kwargs)
        t = enter(tree._where, load.__name__)
        found = load(tree, *args, **kwargs)
        leave(t, tree._where, Access.READ, found)
        return found

    update_wrapper(call, load)
    return call

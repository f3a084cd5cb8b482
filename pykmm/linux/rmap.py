# SPDX-License-Identifier: GPL-2.0-only
"""From anonymous pages back to their mappings — ``include/linux/rmap.h``.

A mapping has one ``anon_vma``, where its new pages go, and a link to each one in
which it may still have pages: its own, and since a fork those of its ancestors. All
that descend from one share the lock of their root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

from ..engine.annotate import extern, mirrors
from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.objects import Struct
from .atomic import atomic_dec_and_test, atomic_inc, atomic_t
from .rwsem import down_read, down_write, rw_semaphore, up_read, up_write

if TYPE_CHECKING:
    from collections.abc import Callable

    from .mm_types import vm_area_struct

__all__ = [
    "anon_vma",
    "anon_vma_chain",
    "anon_vma_lock_read",
    "anon_vma_lock_write",
    "anon_vma_unlock_read",
    "anon_vma_unlock_write",
    "get_anon_vma",
    "put_anon_vma",
]


@kernel_struct
class anon_vma(Struct):
    """Which mappings a group of anonymous pages may be found in."""

    #: The top of the tree of forks, and the one that this was forked from.
    root: anon_vma = const(default=None)
    parent: anon_vma = const(default=None)
    #: Only the root's is used.
    rwsem: rw_semaphore = embedded(rw_semaphore)
    #: Its mappings' together, and one for each that has it as the root.
    refcount: atomic_t = embedded(lambda a: atomic_t(1, a))
    #: How many have it as their parent: the root counts itself.
    num_children: int = guarded(by="root.rwsem", default=0)
    #: How many mappings put their new pages here.
    num_active_vmas: int = guarded(by="root.rwsem", default=0)
    #: The links to mappings, in the order in which they came.
    rb_root: dict[anon_vma_chain, None] = guarded(by="root.rwsem", factory=dict)

    def __attrs_post_init__(self) -> None:
        self._register()
        state = self.__dict__
        if state["root"] is None:
            state["root"] = state["parent"] = self


@attrs.define(eq=False)
class anon_vma_chain:
    """A link between a mapping and an ``anon_vma``."""

    vma: vm_area_struct
    anon_vma: _anon_vma


#: The same type, where a field hides it.
_anon_vma: TypeAlias = anon_vma

_put: Callable[[anon_vma], None] = extern("pykmm.mm.rmap", "__put_anon_vma")


@mirrors("include/linux/rmap.h", checked="v7.2", inline=True)
def get_anon_vma(anon_vma: anon_vma) -> None:
    """Keep *anon_vma*.

    Context: Any; something else keeps it so far.
    """
    atomic_inc(anon_vma.refcount)


@mirrors("include/linux/rmap.h", checked="v7.2", inline=True)
def put_anon_vma(anon_vma: anon_vma) -> None:
    """Let *anon_vma* go; the last one frees it.

    Context: May sleep.
    """
    if atomic_dec_and_test(anon_vma.refcount):
        _put(anon_vma)


@mirrors("include/linux/rmap.h", checked="v7.2", inline=True)
def anon_vma_lock_write(anon_vma: anon_vma) -> None:
    """Keep everybody else out of the whole tree.

    Context: May sleep.
    """
    down_write(anon_vma.root.rwsem)


@mirrors("include/linux/rmap.h", checked="v7.2", inline=True)
def anon_vma_unlock_write(anon_vma: anon_vma) -> None:
    """Let the others in again.

    Context: As :func:`anon_vma_lock_write`.
    """
    up_write(anon_vma.root.rwsem)


@mirrors("include/linux/rmap.h", checked="v7.2", inline=True)
def anon_vma_lock_read(anon_vma: anon_vma) -> None:
    """Keep the mappings that can be found.

    Context: May sleep.
    """
    down_read(anon_vma.root.rwsem)


@mirrors("include/linux/rmap.h", checked="v7.2", inline=True)
def anon_vma_unlock_read(anon_vma: anon_vma) -> None:
    """Let mappings go again.

    Context: As :func:`anon_vma_lock_read`.
    """
    up_read(anon_vma.root.rwsem)

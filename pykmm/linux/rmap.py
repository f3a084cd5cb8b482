# SPDX-License-Identifier: GPL-2.0-only
"""From anonymous pages back to their mappings — ``include/linux/rmap.h``.

A mapping has one ``anon_vma``, where its new pages go, and a link to each one in
which it may still have pages: its own, and since a fork those of its ancestors. All
that descend from one share the lock of their root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.objects import Struct
from .atomic import atomic_t
from .rwsem import rw_semaphore

if TYPE_CHECKING:
    from .mm_types import vm_area_struct

__all__ = [
    "anon_vma",
    "anon_vma_chain",
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

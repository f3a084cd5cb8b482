# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel keeps its own objects in — ``mm/slab_common.c``.

Nothing here allocates from these caches. A scenario can say that they are large, to
see the report of a kernel that ate the memory itself.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..engine.objects import Root
from ..engine.statics import MachineLocal
from ..lib.vsprintf import _sprintf
from ..linux.mutex import mutex, mutex_trylock, mutex_unlock
from ..linux.printk import KERN_INFO, KERN_WARNING, printk_dump

__all__ = ["dump_unreclaimable_slab", "kmem_cache", "slab", "slab_pages"]

_ROW: Final = "%-17s %10luKB %10luKB"


@attrs.define(eq=False)
class kmem_cache:
    """A cache of objects of one size; reclaimable ones can be shrunk."""

    name: str
    size: int
    active_objs: int = 0
    num_objs: int = 0
    reclaimable: bool = False


class _SlabStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.slab_mutex = mutex(self)
        self.slab_caches: list[kmem_cache] = []


slab = MachineLocal(_SlabStatics)


def slab_pages(*, reclaimable: bool) -> int:
    """Return how many pages the caches of one kind take."""
    page = current_machine().config.page_size
    sizes = [
        -(-cache.num_objs * cache.size // page)
        for cache in slab().slab_caches
        if cache.reclaimable is reclaimable
    ]
    return sum(sizes)


@mirrors("mm/slab_common.c", checked="v7.2")
def dump_unreclaimable_slab() -> None:
    """Print the caches that cannot be shrunk, unless somebody is changing them.

    Context: Any; waits for nobody.
    """
    if not mutex_trylock(slab().slab_mutex):
        printk_dump("excessive unreclaimable slab but cannot dump stats", KERN_WARNING)
        return
    printk_dump("Unreclaimable slab info:", KERN_INFO)
    printk_dump("Name                      Used          Total", KERN_INFO)
    for s in slab().slab_caches:
        if not s.reclaimable and s.num_objs > 0:
            used, total = s.active_objs * s.size // 1024, s.num_objs * s.size // 1024
            printk_dump(_sprintf(_ROW, s.name, used, total), KERN_INFO)
    mutex_unlock(slab().slab_mutex)

# SPDX-License-Identifier: GPL-2.0-only
"""Keeping track of who may map an anonymous page — ``mm/rmap.c``.

Fork gives the child's mapping an ``anon_vma`` of its own, for the pages it is going
to write, and links to all of the parent's, in which its inherited pages are. Whoever
looks for the mappings of a page walks the links of the one it was born in.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.fields import step_write
from ..linux.atomic import atomic_dec_and_test
from ..linux.bug import BUG_ON, WARN_ON_ONCE
from ..linux.gfp_types import GFP_KERNEL
from ..linux.kernel import might_sleep
from ..linux.mm_types import vm_area_struct
from ..linux.mmap_lock import mmap_assert_locked, mmap_assert_write_locked
from ..linux.rmap import anon_vma, anon_vma_chain
from ..linux.rwsem import rwsem_is_locked
from ..linux.sched.mm import might_alloc
from ..linux.spinlock import spin_lock, spin_unlock
from .internal import (
    VMA_OP_FORK,
    anon_vma_lock_write,
    anon_vma_unlock_write,
    get_anon_vma,
    put_anon_vma,
    vma_operation,
)
from .swap import _anon_lru
from .vma_anon import find_mergeable_anon_vma

__all__ = [
    "__anon_vma_prepare",
    "__put_anon_vma",
    "_anon_vma_at_boot",
    "anon_vma_clone",
    "anon_vma_fork",
    "unlink_anon_vmas",
]

_NO_SLAB: Final = "its structures take no memory, so there is always enough"


@mirrors("mm/rmap.c", checked="v7.2", abridged=_NO_SLAB, inline=True)
def anon_vma_alloc() -> anon_vma:
    """Make one that is its own root, with a reference for the caller.

    Context: May sleep.
    """
    might_alloc(GFP_KERNEL)
    return anon_vma()


@mirrors("mm/rmap.c", checked="v7.2")
def anon_vma_free(found: anon_vma) -> None:
    """Free *found* when nobody is left who got its lock without a reference.

    Context: May sleep.
    """
    BUG_ON(found.refcount.counter, f"{found.name} is freed with references")
    might_sleep()
    if rwsem_is_locked(found.root.rwsem):
        anon_vma_lock_write(found)
        anon_vma_unlock_write(found)
    lru = _anon_lru()
    if found in lru.members:  # all who have added it did so before
        lru.forget(found)
    found._free()


@mirrors("mm/rmap.c", checked="v7.2", inline=True)
def anon_vma_chain_assign(
    vma: vm_area_struct, avc: anon_vma_chain, found: anon_vma
) -> None:
    """Put *avc* first among the links of *vma*.

    Context: ``mmap_lock`` for writing, or page_table_lock for the very first.
    """
    avc.vma = vma
    avc.anon_vma = found
    vma.__dict__["anon_vma_chain"] = (avc, *vma.__dict__["anon_vma_chain"])


@mirrors("mm/rmap.c", checked="v7.2", abridged=_NO_SLAB)
def __anon_vma_prepare(vma: vm_area_struct) -> int:
    """Give *vma* an ``anon_vma``: a neighbour's if possible, else a new one.

    Context: ``mmap_lock`` for reading at least. May sleep.
    Return: 0.
    """
    mm = vma.vm_mm
    mmap_assert_locked(mm)
    might_sleep()
    found = find_mergeable_anon_vma(vma)
    allocated = None
    if found is None:
        found = allocated = anon_vma_alloc()
        found.__dict__["num_children"] += 1
    anon_vma_lock_write(found)
    spin_lock(mm.page_table_lock)
    if vma.__dict__["anon_vma"] is None:
        step_write(vma, "anon_vma", found, "smp_store_release")
        avc = anon_vma_chain(vma, found)
        anon_vma_chain_assign(vma, avc, found)
        found.rb_root[avc] = None
        found.num_active_vmas += 1
        allocated = None
    spin_unlock(mm.page_table_lock)
    anon_vma_unlock_write(found)
    if allocated is not None:
        put_anon_vma(allocated)
    return 0


def _anon_vma_at_boot(vma: vm_area_struct) -> None:
    """Give *vma* an ``anon_vma`` without any step, for pages that are there already.

    Context: Host code that builds an address space.
    """
    found = anon_vma_alloc()
    avc = anon_vma_chain(vma, found)
    found.__dict__.update(num_children=1, num_active_vmas=1, rb_root={avc: None})
    vma.__dict__.update(anon_vma=found, anon_vma_chain=(avc,))


# -- copying ---------------------------------------------------------------------------


@mirrors("mm/rmap.c", checked="v7.2", inline=True)
def maybe_reuse_anon_vma(dst: vm_area_struct, found: anon_vma) -> None:
    """Let *dst* have an inherited one in which nobody puts new pages any more.

    Context: The tree's lock for writing.
    """
    if dst.anon_vma is not None:
        return
    if found.num_active_vmas > 0 or found.num_children > 1:
        return
    dst.anon_vma = found
    found.num_active_vmas += 1


@mirrors("mm/rmap.c", checked="v7.2", abridged=_NO_SLAB)
def anon_vma_clone(
    dst: vm_area_struct, src: vm_area_struct, operation: vma_operation
) -> int:
    """Link *dst* to all that *src* is linked to.

    Context: ``mmap_lock`` for writing; nobody can find *dst* yet. May sleep.
    Return: 0.
    """
    mmap_assert_write_locked(src.vm_mm)
    active = src.anon_vma
    if active is None:
        return 0
    WARN_ON_ONCE(bool(dst.anon_vma_chain), f"{dst.name} is linked already")
    links = [anon_vma_chain(dst, link.anon_vma) for link in src.anon_vma_chain]
    for avc in links:
        anon_vma_chain_assign(dst, avc, avc.anon_vma)
    anon_vma_lock_write(active)
    for avc in links:
        avc.anon_vma.rb_root[avc] = None
        if operation == VMA_OP_FORK:
            maybe_reuse_anon_vma(dst, avc.anon_vma)
    if operation != VMA_OP_FORK:
        own = dst.anon_vma
        assert own is not None  # the caller has set it
        own.num_active_vmas += 1
    anon_vma_unlock_write(active)
    return 0


@mirrors("mm/rmap.c", checked="v7.2", abridged=_NO_SLAB)
def anon_vma_fork(vma: vm_area_struct, pvma: vm_area_struct) -> int:
    """Link the child's *vma* to what the parent's *pvma* is linked to, and to its own.

    Context: ``mmap_lock`` of both for writing. May sleep.
    Return: 0.
    """
    parent = pvma.anon_vma
    if parent is None:
        return 0
    vma.anon_vma = None
    own = anon_vma_alloc()
    ret = anon_vma_clone(vma, pvma, VMA_OP_FORK)
    if ret or vma.anon_vma is not None:
        put_anon_vma(own)
        return ret
    own.__dict__.update(num_active_vmas=1, root=parent.root, parent=parent)
    get_anon_vma(own.root)
    vma.anon_vma = own
    avc = anon_vma_chain(vma, own)
    anon_vma_chain_assign(vma, avc, own)
    anon_vma_lock_write(own)
    own.rb_root[avc] = None
    parent.num_children += 1
    anon_vma_unlock_write(own)
    return 0


# -- letting go ------------------------------------------------------------------------


@mirrors("mm/rmap.c", checked="v7.2")
def unlink_anon_vmas(vma: vm_area_struct) -> None:
    """Take *vma* out of all that it is linked to; what nobody needs any more is freed.

    Context: ``mmap_lock``; *vma* has no pages any more. May sleep.
    """
    mmap_assert_locked(vma.vm_mm)
    state = vma.__dict__
    active: anon_vma | None = state["anon_vma"]
    if active is None:
        WARN_ON_ONCE(bool(state["anon_vma_chain"]), f"{vma.name} has links only")
        return
    empty = []
    anon_vma_lock_write(active)
    for avc in state["anon_vma_chain"]:
        found = avc.anon_vma
        del found.rb_root[avc]
        if not found.rb_root:
            found.parent.num_children -= 1
            empty.append(found)
    active.num_active_vmas -= 1
    # Nobody finds the mapping, though the lock may only be held for reading.
    state.update(anon_vma=None, anon_vma_chain=())
    anon_vma_unlock_write(active)
    for found in empty:
        WARN_ON_ONCE(
            bool(found.__dict__["num_children"] or found.__dict__["num_active_vmas"]),
            f"{found.name} has no mappings, but is counted",
        )
        put_anon_vma(found)


@mirrors("mm/rmap.c", checked="v7.2")
def __put_anon_vma(found: anon_vma) -> None:
    """Free *found*, and its root with it if that was the last one to need it.

    Context: May sleep.
    """
    root = found.root
    anon_vma_free(found)
    if root is not found and atomic_dec_and_test(root.refcount):
        anon_vma_free(root)

# SPDX-License-Identifier: GPL-2.0-only
"""From pages of a file to those who map them — part of ``mm/rmap.c``.

A walk is for many pages of one file at once. Whoever walks has locked them, so nobody
comes to map them; but fork may still copy an entry, from a mapping that has not been
visited to one that has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

from ..engine.annotate import mirrors
from ..linux.fs import i_mmap_lock_read, i_mmap_unlock_read
from ..linux.memcontrol import mem_cgroup, mem_cgroup_is_descendant
from ..linux.mm import (
    PMD_SHIFT,
    PMD_SIZE,
    VM_EXEC,
    VM_LOCKED,
    VM_SHARED,
    add_mm_counter,
)
from ..linux.mm_inline import vma_has_recency
from ..linux.mm_types import (
    MM_FILEPAGES,
    MM_SHMEMPAGES,
    _Folios,
    address_space,
    pgtable_t,
    vm_area_struct,
)
from ..linux.mmu_notifier import (
    MMU_NOTIFY_CLEAR,
    MMU_NOTIFY_PROTECTION_PAGE,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_range,
)
from ..linux.spinlock import spin_lock, spin_unlock
from ..linux.vm_flags import _read_flags_once
from .filemap_cache import _add_folios, _in_window, _of_window, _offset
from .memcontrol import get_mem_cgroup_from_mm
from .memory import _pte_tables
from .memory_mapping import _by_offset
from .page_writeback import folio_mark_dirty
from .rmap_unmap import _part

__all__ = [
    "_entries",
    "_mapped_by",
    "folio_mkclean",
    "folio_referenced",
    "folio_referenced_arg",
    "rmap_walk_file",
    "try_to_unmap",
]

_MANY: Final = (
    "for many pages of one file at once, and always under i_mmap_rwsem, for which it "
    "waits where Linux would leave the pages alone"
)

#: What a walk does with those entries of a table that map what is looked for, and
#: where in the file its first entry is.
_One: TypeAlias = Callable[[vm_area_struct, pgtable_t, _Folios], None]


def _member(vma: vm_area_struct) -> int:
    """Say how the pages of its file count that *vma* maps."""
    return MM_SHMEMPAGES if vma.__dict__["vm_file"].is_shmem else MM_FILEPAGES


def _entries(vma: vm_area_struct, table: pgtable_t, pages: _Folios) -> int:
    """Return the entries of the table with which *vma* maps some of *pages*."""
    state = vma.__dict__
    present = table.present[_member(vma)]
    here = present & _part(table, state["vm_start"], state["vm_end"])
    return here & _in_window(pages, _offset(vma, table)) if here else 0


def _mapped_by(vma: vm_area_struct, pages: _Folios) -> Iterator[_Folios]:
    """Yield which of *pages* are mapped by *vma*, table by table, without a step."""
    state = vma.__dict__
    start, end, pgd = state["vm_start"], state["vm_end"], state["vm_mm"].pgd
    for index in range(start >> PMD_SHIFT, (end - 1 >> PMD_SHIFT) + 1):
        table = pgd.get(index)
        if table is not None and (bits := _entries(vma, table, pages)):
            yield _of_window(bits, _offset(vma, table))


@mirrors("mm/rmap.c", checked="v7.2", abridged=_MANY)
def rmap_walk_file(mapping: address_space, pages: _Folios, rmap_one: _One) -> int:
    """Visit the page tables in which *pages* may be mapped, parents before children.

    Context: The pages are locked; takes ``i_mmap_rwsem`` for reading. May sleep.
    Return: How many mappings the file has.
    """
    i_mmap_lock_read(mapping)
    mappings = _by_offset(mapping)
    for vma in mappings:
        state = vma.__dict__
        for table in _pte_tables(vma.vm_mm, state["vm_start"], state["vm_end"]):
            if _in_window(pages, _offset(vma, table)):
                rmap_one(vma, table, pages)
    i_mmap_unlock_read(mapping)
    return len(mappings)


# -- who uses them ---------------------------------------------------------------------


@attrs.define
class folio_referenced_arg:
    """What a walk finds out about pages."""

    memcg: mem_cgroup | None
    #: Those that somebody maps; and with VM_LOCKED.
    mapped: _Folios = attrs.field(factory=dict)
    locked: _Folios = attrs.field(factory=dict)
    #: Those that were used through one mapping, through another one, too, and to run.
    referenced: _Folios = attrs.field(factory=dict)
    again: _Folios = attrs.field(factory=dict)
    executed: _Folios = attrs.field(factory=dict)

    def _add_reference(self, found: _Folios, vm_flags: int) -> None:
        once = self.referenced
        twice = {chunk: bits & once.get(chunk, 0) for chunk, bits in found.items()}
        _add_folios(self.again, twice)
        _add_folios(once, found)
        if vm_flags & VM_EXEC:
            _add_folios(self.executed, found)


@mirrors("mm/rmap.c", checked="v7.2", abridged="no hint that a file is read only once")
def invalid_folio_referenced_vma(
    vma: vm_area_struct, pra: folio_referenced_arg
) -> bool:
    """Tell whether it does not count that *vma* uses a page.

    Context: Enters an RCU read section for a cgroup's sake.
    """
    if not vma_has_recency(vma):
        return True
    if pra.memcg is None:
        return False
    return not mem_cgroup_is_descendant(get_mem_cgroup_from_mm(vma.vm_mm), pra.memcg)


@mirrors("mm/rmap.c", checked="v7.2", abridged=_MANY)
def folio_referenced(
    mapping: address_space, pages: _Folios, memcg: mem_cgroup | None
) -> folio_referenced_arg:
    """Find out who has used *pages* since the last time, as far as *memcg* minds.

    Context: As :func:`rmap_walk_file`; takes the tables' locks.
    """
    pra = folio_referenced_arg(memcg)

    def visit(vma: vm_area_struct, table: pgtable_t, pages: _Folios) -> None:
        vm_flags = _read_flags_once(vma)
        counts = not invalid_folio_referenced_vma(vma, pra)
        spin_lock(table.ptl)
        bits = _entries(vma, table, pages)
        young = bits & table.young
        if counts and not vm_flags & VM_LOCKED:
            table.young &= ~young
        spin_unlock(table.ptl)
        offset = _offset(vma, table)
        _add_folios(pra.mapped, _of_window(bits, offset))
        if vm_flags & VM_LOCKED:
            _add_folios(pra.locked, _of_window(bits, offset))
        elif counts:
            pra._add_reference(_of_window(young, offset), vm_flags)

    rmap_walk_file(mapping, pages, visit)
    return pra


# -- taking them away ------------------------------------------------------------------


def _unmap_from(
    vma: vm_area_struct, table: pgtable_t, pages: _Folios, stuck: _Folios
) -> bool:
    """Unmap *pages* in one table; those that are locked there are *stuck*.

    Context: As :func:`rmap_walk_file`; takes the table's lock.
    Return: Whether any was unmapped.
    """
    mm, first = vma.vm_mm, table.index << PMD_SHIFT
    change = mmu_notifier_range(MMU_NOTIFY_CLEAR, mm, first, first + PMD_SIZE)
    mmu_notifier_invalidate_range_start(change)
    spin_lock(table.ptl)
    bits = _entries(vma, table, pages)
    if bits and _read_flags_once(vma) & VM_LOCKED:
        _add_folios(stuck, _of_window(bits, _offset(vma, table)))
        bits = 0
    if bits:
        if dirty := bits & table.dirty:
            mapping = vma.__dict__["vm_file"].f_mapping
            folio_mark_dirty(mapping, _of_window(dirty, _offset(vma, table)))
        table._forget(bits)
        table.present[_member(vma)] ^= bits
        add_mm_counter(mm, _member(vma), -bits.bit_count())
    spin_unlock(table.ptl)
    mmu_notifier_invalidate_range_end(change)
    return bool(bits)


@mirrors("mm/rmap.c", checked="v7.2", abridged=_MANY)
def try_to_unmap(mapping: address_space, pages: _Folios) -> _Folios:
    """Unmap *pages* wherever they are mapped, but where they are locked.

    Linux knows from a page's references that somebody maps it after all. Here the
    mappings are gone through again, until fork has copied no entry into one that had
    been visited.

    Context: As :func:`rmap_walk_file`; takes the tables' locks.
    Return: Those that are locked somewhere.
    """
    stuck: _Folios = {}
    again = True

    def visit(vma: vm_area_struct, table: pgtable_t, pages: _Folios) -> None:
        nonlocal again
        again |= _unmap_from(vma, table, pages, stuck)

    while again:
        again = False
        stuck.clear()
        if rmap_walk_file(mapping, pages, visit) == 1:
            break
    return stuck


# -- who has written to them -----------------------------------------------------------


@mirrors("mm/rmap.c", checked="v7.2", abridged=_MANY)
def folio_mkclean(mapping: address_space, pages: _Folios) -> _Folios:
    """Have the next write to *pages* raise a fault, wherever they are mapped.

    Context: As :func:`rmap_walk_file`; takes the tables' locks.
    Return: Those that were written.
    """
    written: _Folios = {}

    def page_mkclean_one(vma: vm_area_struct, table: pgtable_t, pages: _Folios) -> None:
        if not vma.__dict__["vm_flags"] & VM_SHARED:
            return
        mm, first = vma.vm_mm, table.index << PMD_SHIFT
        change = mmu_notifier_range(
            MMU_NOTIFY_PROTECTION_PAGE, mm, first, first + PMD_SIZE
        )
        mmu_notifier_invalidate_range_start(change)
        spin_lock(table.ptl)
        dirty = _entries(vma, table, pages) & table.dirty
        table.dirty ^= dirty
        table.readonly &= ~dirty
        spin_unlock(table.ptl)
        mmu_notifier_invalidate_range_end(change)
        _add_folios(written, _of_window(dirty, _offset(vma, table)))

    rmap_walk_file(mapping, pages, page_mkclean_one)
    return written

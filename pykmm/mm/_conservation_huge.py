# SPDX-License-Identifier: GPL-2.0-only
"""Whether huge pages add up — beside ``_conservation``, for machines at rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..engine.machine import current_machine
from ..linux._huge_folio import HugeFolio
from ..linux.mm import PTRS_PER_PTE
from ..linux.mm_types import address_space, mm_struct, vm_area_struct
from .hugetlb_pool import the_hstate
from .hugetlb_resv import _unused

__all__ = ["_huge_pages", "_misused_pool"]


def _folios() -> list[HugeFolio]:
    return [x for x in current_machine().alive if isinstance(x, HugeFolio)]


def _huge_pages() -> int:
    """Count the small pages in huge ones, in the pool and beside it."""
    nr = sum(folio.temporary for folio in _folios())
    if _has_pool():
        nr += sum(the_hstate().__dict__["nr_huge_pages_node"])
    return nr * PTRS_PER_PTE


def _has_pool() -> bool:
    config = current_machine().config
    return config.nr_hugepages > 0 or config.nr_overcommit_hugepages > 0


def _misused_pool(
    spaces: Iterable[mm_struct], files: Iterable[address_space]
) -> Iterator[str]:
    """Compare the pool of huge pages with who has them, and was promised some."""
    folios = _folios()
    yield from _miscounted(folios, spaces, files)
    if not _has_pool():
        return
    h = the_hstate()
    used = sum(not folio.temporary for folio in folios)
    free = sum(h.__dict__["free_huge_pages"])
    nr = sum(h.__dict__["nr_huge_pages_node"])
    if free + used != nr:
        yield f"{free} huge pages are free and {used} in use, of {nr}"
    surplus = sum(h.__dict__["surplus_huge_pages_node"])
    if nr - surplus != current_machine().config.nr_hugepages:
        yield f"{nr} huge pages are not the pool's and the {surplus} beyond it"
    promised = sum(len(f._huge_resv - f._huge.keys()) for f in files)
    promised += sum(_unused(vma) for mm in spaces for vma in _vmas(mm))
    counted = h.__dict__["resv_huge_pages"]
    if counted != promised:
        yield f"{counted} huge pages are reserved, but {promised} were promised"


def _miscounted(
    folios: Iterable[HugeFolio],
    spaces: Iterable[mm_struct],
    files: Iterable[address_space],
) -> Iterator[str]:
    """Compare the counts of each page with the entries and files that have it."""
    mapped = [entry.folio for mm in spaces for entry in mm._hugetlb.values()]
    cached = [folio for mapping in files for folio in mapping._huge.values()]
    for folio in folios:
        maps, refs = mapped.count(folio), mapped.count(folio) + cached.count(folio)
        counted = folio._mapcount.counter, folio._refcount.refs
        if counted != (maps, refs):
            yield f"{folio.name} is mapped {maps} times, referred to {refs}: {counted}"


def _vmas(mm: mm_struct) -> list[vm_area_struct]:
    return [slot.entry for slot in mm.__dict__["mm_mt"]._slots]

# SPDX-License-Identifier: GPL-2.0-only
"""Design I, the walk: a reap pass goes up, as it did before v6.18.

``exit_mmap()`` goes up, too, so the two start on the same page-table lock and stay
in each other's way.
"""

from __future__ import annotations

from ...linux.mm import (
    VM_HUGETLB,
    VM_PFNMAP,
    VM_SHARED,
    for_each_vma,
    mm_flags_set,
    vma_is_anonymous,
)
from ...linux.mm_types import MMF_UNSTABLE, VMA_ITERATOR, mm_struct
from ...mm import oom_kill
from ...mm.memory import zap_vma_for_reaping
from ..patch import Patch

patch = Patch(
    "I-up",
    kind="design",
    summary="the reap pass walks from the lowest mapping up (before v6.18)",
    origin="what 5e1953dc71af (in v6.18) turned round",
    scenario="mrelease-vs-exit",
)


@patch.replaces(oom_kill.__oom_reap_task_mm)
def __oom_reap_task_mm(mm: mm_struct) -> bool:
    """Zap every private mapping of *mm*, from the lowest address up.

    Context: ``mmap_lock`` held for reading; must not sleep for anybody.
    Return: False if a notifier refused one of the mappings; the others are done.
    """
    mm_flags_set(MMF_UNSTABLE, mm)
    ret = True
    for vma in for_each_vma(VMA_ITERATOR(mm, 0)):
        if vma.vm_flags & (VM_HUGETLB | VM_PFNMAP):
            continue
        if vma_is_anonymous(vma) or not vma.vm_flags & VM_SHARED:
            if zap_vma_for_reaping(vma):
                ret = False
    return ret

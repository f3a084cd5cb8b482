# SPDX-License-Identifier: GPL-2.0-only
"""What kinds of mappings want to be told — beside ``mm/vma.c``.

None of the ordinary kinds wants anything, but having operations is what makes a
mapping no anonymous one.
"""

from __future__ import annotations

from typing import Final

from ..errno import EINVAL
from ..linux.mm_types import PMD_SIZE, vm_area_struct, vm_operations_struct

__all__ = [
    "_hugetlb_may_split",
    "generic_file_vm_ops",
    "shmem_vm_ops",
    "special_mapping_vmops",
    "vm_operations_struct",
    "vma_dummy_vm_ops",
]


def _hugetlb_may_split(vma: vm_area_struct, addr: int) -> int:
    """Let a mapping be cut between huge pages only."""
    del vma
    return -EINVAL if addr % PMD_SIZE else 0


generic_file_vm_ops: Final = vm_operations_struct()
shmem_vm_ops: Final = vm_operations_struct()
special_mapping_vmops: Final = vm_operations_struct()
#: Of a mapping that was closed: a second time nobody is told.
vma_dummy_vm_ops: Final = vm_operations_struct()

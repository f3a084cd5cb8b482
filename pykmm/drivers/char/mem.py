# SPDX-License-Identifier: GPL-2.0-only
"""The memory of devices, to be mapped by programs — ``drivers/char/mem.c``.

``/dev/mem`` is the line of physical addresses. The machine's own memory is at its
beginning, and is nobody's to map; what lies above belongs to devices, and any of it
can be mapped. Nothing stands behind such a mapping that the kernel would count.
"""

from __future__ import annotations

from typing import Final

from ...engine.annotate import mirrors
from ...engine.machine import current_machine
from ...errno import EAGAIN, EINVAL, EPERM
from ...kernel.capability import capable
from ...linux._vma_desc import mmap_action, vm_area_desc
from ...linux.fs import file_operations
from ...linux.mm import PAGE_SHIFT
from ...linux.mm_types import vm_operations_struct
from ...linux.uapi import CAP_SYS_RAWIO
from ...mm.memory_access import generic_access_phys

__all__ = ["devlist"]

#: How many bits a physical address has, as on most machines of today.
_PHYS_BITS: Final = 46

mmap_mem_ops: Final = vm_operations_struct(access=generic_access_phys)


@mirrors(
    "drivers/char/mem.c",
    checked="v7.2",
    abridged="memory is one piece, and nobody is shown zeroes in its place",
)
def range_is_allowed(pfn: int, size: int) -> bool:
    """Tell whether no page of a range is the kernel's own memory."""
    del size  # what begins above all memory ends there
    return pfn >= sum(current_machine().config.node_pages)


@mirrors("drivers/char/mem.c", checked="v7.2", abridged="nothing of caching")
def mmap_mem_prepare(desc: vm_area_desc) -> int:
    """Have a mapping be one of physical addresses.

    Context: ``mmap_lock`` for writing.
    Return: 0; -EINVAL beyond all addresses, -EPERM for memory of the kernel's own.
    """
    size = desc.end - desc.start
    if desc.pgoff + (size >> PAGE_SHIFT) > 1 << _PHYS_BITS - PAGE_SHIFT:
        return -EINVAL
    if not range_is_allowed(desc.pgoff, size):
        return -EPERM
    desc.vm_ops = mmap_mem_ops
    desc.action = mmap_action(desc.start, desc.pgoff, size, error_override=-EAGAIN)
    return 0


@mirrors("drivers/char/mem.c", checked="v7.2", abridged="no lockdown")
def open_port() -> int:
    """Tell whether current may open the device: 0 or -EPERM."""
    return 0 if capable(CAP_SYS_RAWIO) else -EPERM


mem_fops: Final = file_operations(mmap_prepare=mmap_mem_prepare, open=open_port)

#: Devices by name.
devlist: Final = {"mem": mem_fops}

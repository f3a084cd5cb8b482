# SPDX-License-Identifier: GPL-2.0-only
"""Flags of mappings, and memory that was promised — ``include/linux/mman.h``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.fields import kernel_struct, shared
from ..engine.machine import current_machine
from ..engine.objects import Root, Struct
from ..engine.statics import MachineLocal
from .atomic import atomic_long_add, atomic_long_t
from .compiler import READ_ONCE
from .mm import VM_EXEC, VM_GROWSDOWN, VM_LOCKED, VM_READ, VM_WRITE
from .uapi_mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_STACK,
    PROT_EXEC,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
)

__all__ = [
    "LEGACY_MAP_MASK",
    "OVERCOMMIT_ALWAYS",
    "OVERCOMMIT_GUESS",
    "OVERCOMMIT_NEVER",
    "_settings",
    "arch_validate_prot",
    "calc_vm_flag_bits",
    "calc_vm_prot_bits",
    "mmap_sysctls",
    "vm_acct_memory",
    "vm_committed_as",
    "vm_unacct_memory",
]

#: Values of ``vm.overcommit_memory``.
OVERCOMMIT_GUESS: Final = 0
OVERCOMMIT_ALWAYS: Final = 1
OVERCOMMIT_NEVER: Final = 2

#: The flags that MAP_SHARED knew before unknown ones were refused.
LEGACY_MAP_MASK: Final = (
    MAP_SHARED
    | MAP_PRIVATE
    | MAP_FIXED
    | MAP_ANONYMOUS
    | 0x800  # MAP_DENYWRITE
    | 0x1000  # MAP_EXECUTABLE
    | MAP_GROWSDOWN
    | MAP_LOCKED
    | MAP_NORESERVE
    | MAP_POPULATE
    | MAP_NONBLOCK
    | MAP_STACK
    | MAP_HUGETLB
    | 0x3F << 26  # MAP_HUGE_MASK
    | 0x40  # MAP_32BIT
    | 0x80  # MAP_ABOVE4G
)


def _reserve(most: int) -> int:
    """Set a part of memory aside, as boot does, but no more than *most* KiB."""
    return min(current_machine().config.totalram_pages * 4 // 32, most)


@kernel_struct
class MmapSettings(Struct):
    """Settings below ``vm`` that mappings depend on."""

    max_map_count: int = shared(default=65530)
    overcommit_memory: int = shared(default=OVERCOMMIT_GUESS)
    overcommit_ratio: int = shared(default=50)
    #: Instead of the ratio, unless 0.
    overcommit_kbytes: int = shared(default=0)
    #: What mode 2 keeps for root, and for everybody to end what went wrong.
    admin_reserve_kbytes: int = shared(factory=lambda: _reserve(1 << 13))
    user_reserve_kbytes: int = shared(factory=lambda: _reserve(1 << 17))


class _UtilStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.vm_committed_as = atomic_long_t(0, self)


_util = MachineLocal(_UtilStatics)
_settings = MachineLocal(MmapSettings)


def mmap_sysctls() -> MmapSettings:
    """View the machine's settings; each look is a step."""
    return READ_ONCE(_settings())


def vm_committed_as() -> atomic_long_t:
    """Return the machine's count of pages that mappings may yet ask for."""
    return _util().vm_committed_as


@mirrors("include/linux/mman.h", checked="v7.2", inline=True)
def vm_acct_memory(pages: int) -> None:
    """Promise *pages* to a mapping.

    Context: Any.
    """
    atomic_long_add(pages, vm_committed_as())


@mirrors("include/linux/mman.h", checked="v7.2", inline=True)
def vm_unacct_memory(pages: int) -> None:
    """Take a promise back.

    Context: Any.
    """
    vm_acct_memory(-pages)


@mirrors("include/linux/mman.h", checked="v7.2", inline=True)
def arch_validate_prot(prot: int, addr: int) -> bool:
    """Tell whether all bits of *prot* mean something."""
    del addr
    return prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM) == 0


@mirrors("include/linux/mman.h", checked="v7.2", abridged="no protection keys")
def calc_vm_prot_bits(prot: int) -> int:
    """Translate what a program wants to do with memory into a mapping's flags."""
    pairs = ((PROT_READ, VM_READ), (PROT_WRITE, VM_WRITE), (PROT_EXEC, VM_EXEC))
    return sum(flag for bit, flag in pairs if prot & bit)


@mirrors("include/linux/mman.h", checked="v7.2", abridged="nothing is mapped for DAX")
def calc_vm_flag_bits(flags: int) -> int:
    """Translate flags of ``mmap()`` into a mapping's flags."""
    pairs = ((MAP_GROWSDOWN, VM_GROWSDOWN), (MAP_LOCKED, VM_LOCKED))
    return sum(flag for bit, flag in pairs if flags & bit)

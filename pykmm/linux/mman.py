# SPDX-License-Identifier: GPL-2.0-only
"""Memory that was promised — ``include/linux/mman.h``, ``mm/util.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..engine.machine import MachineLocal
from ..engine.objects import Root
from .atomic import atomic_long_add, atomic_long_t

__all__ = ["vm_acct_memory", "vm_committed_as", "vm_unacct_memory"]


class _UtilStatics(Root):
    def __init__(self) -> None:
        super().__init__()
        self.vm_committed_as = atomic_long_t(0, self)


_util = MachineLocal(_UtilStatics)


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

# SPDX-License-Identifier: GPL-2.0-only
"""A mapping that its file's driver has a say in, before it is made."""

from __future__ import annotations

import attrs

from .mm_types import file, mm_struct, vm_operations_struct

__all__ = ["mmap_action", "vm_area_desc"]


@attrs.define(eq=False)
class mmap_action:
    """What is to be done with a mapping once it is made: map a run of page frames."""

    start: int
    start_pfn: int
    size: int
    #: What the program is told instead of any error.
    error_override: int = 0


@attrs.define(eq=False)
class vm_area_desc:
    """The mapping, as far as a driver may look at it and change it."""

    mm: mm_struct
    file: file
    start: int
    end: int
    pgoff: int
    vm_flags: int
    vm_ops: vm_operations_struct | None = None
    #: None: there is nothing more to do.
    action: mmap_action | None = None

# SPDX-License-Identifier: GPL-2.0-only
"""How many huge pages an address space has — ``include/linux/hugetlb.h``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from .atomic import atomic_long_add
from .mm_types import mm_struct

__all__ = ["hugetlb_count_add", "hugetlb_count_sub"]


@mirrors("include/linux/hugetlb.h", checked="v7.2", inline=True)
def hugetlb_count_add(l: int, mm: mm_struct) -> None:  # noqa: E741 -- Linux's name
    """Count *l* small pages' worth of huge pages.

    Context: Any.
    """
    atomic_long_add(l, mm.hugetlb_usage)


@mirrors("include/linux/hugetlb.h", checked="v7.2", inline=True)
def hugetlb_count_sub(l: int, mm: mm_struct) -> None:  # noqa: E741 -- Linux's name
    """Count *l* small pages' worth of huge pages less.

    Context: Any.
    """
    atomic_long_add(-l, mm.hugetlb_usage)

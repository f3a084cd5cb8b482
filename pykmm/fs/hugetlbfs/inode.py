# SPDX-License-Identifier: GPL-2.0-only
"""Files of huge pages — ``fs/hugetlbfs/inode.c``."""

from __future__ import annotations

from ...engine.annotate import mirrors
from ...linux.mm_types import address_space, file

__all__ = ["hugetlb_file_setup"]


@mirrors(
    "fs/hugetlbfs/inode.c", checked="v7.2", abridged="no pool to reserve pages from"
)
def hugetlb_file_setup(name: str) -> file:
    """Make a file of huge pages that lives as long as somebody refers to it.

    Context: May sleep. The caller gets the reference.
    """
    return file(
        f_path=f"{name} (deleted)",
        is_hugetlb=True,
        f_mapping=address_space(is_linked=False),
    )

# SPDX-License-Identifier: GPL-2.0-only
"""A program that is about to be run — ``include/linux/binfmts.h``."""

from __future__ import annotations

from attrs import define

from .cred import cred
from .mm_types import file, mm_struct

__all__ = ["linux_binprm"]


@define(eq=False)
class linux_binprm:
    """What an exec carries along; nobody but the task itself looks at it."""

    filename: str
    file: file
    #: Its effective user, if the file is set-user-id.
    setuid: int | None = None
    #: The new address space until it is shown, and the old one until it is given up.
    mm: mm_struct | None = None
    old_mm: mm_struct | None = None
    #: As whom the program is going to act; None once it does.
    cred: cred | None = None
    #: Whether the old program is lost: any failure then kills.
    point_of_no_return: bool = False

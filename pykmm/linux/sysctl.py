# SPDX-License-Identifier: GPL-2.0-only
"""Settings that a running system can change — ``include/linux/sysctl.h``."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from ..engine.objects import Struct
from ..errno import Errno

__all__ = ["ctl_table", "proc_handler"]


@frozen
class ctl_table:
    """One setting: its name, where its value is, who may do what, and how it reads.

    ``data`` finds the structure and names the field of it that holds the value.
    """

    procname: str
    data: tuple[Callable[[], Struct], str]
    mode: int
    proc_handler: proc_handler
    extra1: int | None = None
    extra2: int | None = None


#: Reads (text is None) or writes a setting at a position of its file. It answers
#: with what is read, or with how many bytes are taken, or with an error.
proc_handler = Callable[[ctl_table, bytes | None, int], bytes | int | Errno]

# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's accesses to its program's memory — ``include/linux/uaccess.h``."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors

__all__ = ["copy_from_user", "copy_to_user"]

_access: Callable[[int, int, bool], int] = extern(
    "pykmm.kernel.entry.fault_kernel", "access_user"
)


@mirrors("include/linux/uaccess.h", checked="v7.2", abridged="there is no content")
def copy_from_user(addr: int, n: int) -> int:
    """Read *n* bytes of current's memory from *addr* on.

    Context: May sleep.
    Return: How many bytes could not be read: the call then fails with -EFAULT.
    """
    return _access(addr, n, False)


@mirrors("include/linux/uaccess.h", checked="v7.2", abridged="there is no content")
def copy_to_user(addr: int, n: int) -> int:
    """Write *n* bytes of current's memory from *addr* on.

    Context: May sleep.
    Return: How many bytes could not be written.
    """
    return _access(addr, n, True)

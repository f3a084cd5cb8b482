# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's accesses to its program's memory — ``include/linux/uaccess.h``.

Memory has no content. A program that wants to be told a number hands in a
:class:`UserWord` where it would hand in an address.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..engine.events import Access
from ..engine.step import enter, leave
from ..errno import EFAULT
from ._primitive import Primitive

__all__ = ["UserWord", "copy_from_user", "copy_to_user", "put_user"]

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


class UserWord(Primitive):
    """One number in a program's memory; an address that cannot be written to is None.

    Its threads may look at it while the kernel writes. A *shared* one stands in memory
    that several processes have mapped, and whoever has it may look.
    """

    def __init__(self, value: int = 0, *, shared: bool = False) -> None:
        super().__init__()
        self.value = value
        self.is_shared = shared

    def read(self) -> int:
        """Look at the number, in a step of its own."""
        t = enter(self, "read")
        value = self.value
        leave(t, self, Access.READ, value)
        return value

    def cmpxchg(self, old: int, new: int) -> bool:
        """Make an *old* number a *new* one; tell whether it was, in a step."""
        t = enter(self, "cmpxchg")
        same = self.value == old
        if same:
            self.value = new
        leave(t, self, Access.WRITE if same else Access.READ, self.value)
        return same


@mirrors("include/linux/uaccess.h", checked="v7.2", abridged="no fault", inline=True)
def put_user(x: int, ptr: UserWord | None) -> int:
    """Write a number into the program's memory.

    Context: May sleep.
    Return: 0 or -EFAULT.
    """
    if ptr is None:
        return -EFAULT
    t = enter(ptr, "put_user")
    ptr.value = x
    leave(t, ptr, Access.WRITE, x)
    return 0

# SPDX-License-Identifier: GPL-2.0-only
"""Error numbers that print as ``-EINVAL`` — ``include/uapi/asm-generic/errno*.h``.

An :class:`Errno` is an ``int``; negating one keeps its name, so that a system
call can ``return -ESRCH`` and a failing assertion shows ``-ESRCH`` beside the 3.
"""

from __future__ import annotations

__all__ = [
    "E2BIG",
    "EACCES",
    "EAGAIN",
    "EBADF",
    "EBUSY",
    "ECHILD",
    "EEXIST",
    "EFAULT",
    "EFBIG",
    "EINTR",
    "EINVAL",
    "EIO",
    "EISDIR",
    "EMFILE",
    "EMLINK",
    "ENODEV",
    "ENOENT",
    "ENOMEM",
    "ENOSPC",
    "ENOSYS",
    "EOPNOTSUPP",
    "EOVERFLOW",
    "EPERM",
    "ERANGE",
    "ERESTARTNOHAND",
    "ERESTARTNOINTR",
    "ERESTARTSYS",
    "ESRCH",
    "ETXTBSY",
    "Errno",
]


class Errno(int):
    """An error number that knows its name; ``-EINVAL`` is one too.

    >>> -EINVAL
    -EINVAL
    >>> -EINVAL == -22
    True
    """

    label: str

    def __new__(cls, value: int, label: str) -> Errno:
        self = super().__new__(cls, value)
        self.label = label
        return self

    def __neg__(self) -> Errno:
        label = self.label[1:] if self.label.startswith("-") else "-" + self.label
        return Errno(-int(self), label)

    def __repr__(self) -> str:
        return self.label

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Errno], tuple[int, str]]:
        return (Errno, (int(self), self.label))


EPERM = Errno(1, "EPERM")
ENOENT = Errno(2, "ENOENT")
ESRCH = Errno(3, "ESRCH")
EINTR = Errno(4, "EINTR")
EIO = Errno(5, "EIO")
E2BIG = Errno(7, "E2BIG")
EBADF = Errno(9, "EBADF")
ECHILD = Errno(10, "ECHILD")
EAGAIN = Errno(11, "EAGAIN")
ENOMEM = Errno(12, "ENOMEM")
EACCES = Errno(13, "EACCES")
EFAULT = Errno(14, "EFAULT")
EBUSY = Errno(16, "EBUSY")
EEXIST = Errno(17, "EEXIST")
ENODEV = Errno(19, "ENODEV")
EISDIR = Errno(21, "EISDIR")
EINVAL = Errno(22, "EINVAL")
EMFILE = Errno(24, "EMFILE")
ETXTBSY = Errno(26, "ETXTBSY")
EFBIG = Errno(27, "EFBIG")
ENOSPC = Errno(28, "ENOSPC")
EMLINK = Errno(31, "EMLINK")
ERANGE = Errno(34, "ERANGE")
ENOSYS = Errno(38, "ENOSYS")
EOVERFLOW = Errno(75, "EOVERFLOW")
EOPNOTSUPP = Errno(95, "EOPNOTSUPP")

#: Inside the kernel only: a signal came, the system call is to be restarted.
ERESTARTSYS = Errno(512, "ERESTARTSYS")
#: The same, but to be restarted whether or not a handler ran; or only if none did.
ERESTARTNOINTR = Errno(513, "ERESTARTNOINTR")
ERESTARTNOHAND = Errno(514, "ERESTARTNOHAND")

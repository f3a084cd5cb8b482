# SPDX-License-Identifier: GPL-2.0-only
"""Open files of a process — ``include/linux/fdtable.h``.

Only what a descriptor needs to lead somewhere: the numbers, what they refer to,
and the lock under which they are handed out.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.objects import Struct
from .atomic import atomic_t
from .mm_types import file
from .pid import pid as struct_pid
from .proc_fs import ProcFile
from .refcount import refcount_t
from .spinlock import spinlock_t

__all__ = ["NR_OPEN", "OpenFile", "files_struct", "pidfd_file"]

#: ``RLIMIT_NOFILE``: how many descriptors a process may have.
NR_OPEN: Final = 1024


@kernel_struct
class pidfd_file(Struct):
    """An open pidfd: a file that holds a reference on a ``struct pid``."""

    pid: struct_pid = const()
    f_flags: int = const(default=0)
    #: The tables that it stands in; one that was never shared is in one.
    f_ref: refcount_t = embedded(lambda f: refcount_t(1, f))


#: What a number can stand for: besides pidfds, a file below /proc or a plain one.
OpenFile: TypeAlias = pidfd_file | ProcFile | file


@kernel_struct
class files_struct(Struct):
    """The descriptor table of a process; its tasks' own, so reads need no step."""

    count: atomic_t = embedded(lambda files: atomic_t(1, files))
    file_lock: spinlock_t = embedded(spinlock_t)
    #: A number without a file is taken, but leads nowhere yet.
    fdt: dict[int, OpenFile | None] = guarded(
        by="file_lock", factory=dict, lockless=True
    )
    #: Which numbers an exec closes.
    close_on_exec: frozenset[int] = guarded(by="file_lock", default=frozenset())

# SPDX-License-Identifier: GPL-2.0-only
"""Files that a kernel function answers — ``include/linux/proc_fs.h``."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from ..engine.fields import const, embedded, guarded, kernel_struct
from ..engine.objects import Struct
from ..errno import Errno
from .mutex import mutex
from .pid import pid as struct_pid
from .refcount import refcount_t

__all__ = ["ProcFile", "proc_ops"]


@frozen
class proc_ops:
    """What a file does: reading returns all of its text from a position on.

    Writing gets the text, or None for a bad pointer, and a position; it answers with
    how many bytes it took. What is None cannot be done. A file without contents has one
    function for both: it gets a position and how many bytes are wanted there, and
    answers with how many it reached.
    """

    proc_read: Callable[[ProcFile, int], bytes | Errno] | None = None
    proc_write: Callable[[ProcFile, bytes | None, int], int | Errno] | None = None
    proc_rw: Callable[[ProcFile, int, int, bool], int] | None = None
    proc_release: Callable[[ProcFile], None] | None = None


@kernel_struct
class ProcFile(Struct):
    """An open file below ``/proc``; one of a process names it by its ``struct pid``."""

    f_op: proc_ops = const()
    f_flags: int = const(default=0)
    pid: struct_pid | None = const(default=None)
    #: What whoever opened it found, and whoever closes it gives back.
    private_data: Struct | None = const(default=None)
    f_ref: refcount_t = embedded(lambda f: refcount_t(1, f))

    f_pos_lock: mutex = embedded(mutex)
    f_pos: int = guarded(by="f_pos_lock", default=0)

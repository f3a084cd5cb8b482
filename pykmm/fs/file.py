# SPDX-License-Identifier: GPL-2.0-only
"""Descriptor tables at the end of a process — ``fs/file.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..kernel.pid import put_pid
from ..linux.atomic import atomic_dec_and_test
from ..linux.fdtable import files_struct
from ..linux.sched import task_struct
from ..linux.sched.task import task_lock, task_unlock

__all__ = ["exit_files", "put_files_struct"]


@mirrors("fs/file.c", checked="v7.2", abridged="a closed file is released at once")
def put_files_struct(files: files_struct) -> None:
    """Give the table up; the last user closes everything in it.

    Context: May sleep.
    """
    if not atomic_dec_and_test(files.count):
        return
    for opened in list(files.__dict__["fdt"].values()):
        put_pid(opened.pid)
        opened._free()
    files._free()


@mirrors("fs/file.c", checked="v7.2")
def exit_files(tsk: task_struct) -> None:
    """Take the table from a dying task.

    Context: May sleep; takes task_lock.
    """
    files = tsk.files
    if files is None:
        return
    task_lock(tsk)
    tsk.files = None
    task_unlock(tsk)
    put_files_struct(files)

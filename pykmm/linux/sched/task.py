# SPDX-License-Identifier: GPL-2.0-only
"""References on tasks, and their lock — ``include/linux/sched/task.h``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import frozen

from ...engine.annotate import extern, mirrors
from ..rcupdate import _put_and_call_rcu
from ..refcount import refcount_inc
from ..spinlock import spin_lock, spin_unlock
from ..uaccess import UserWord
from . import task_struct

__all__ = [
    "get_task_struct",
    "kernel_clone_args",
    "put_task_struct",
    "task_lock",
    "task_locked",
    "task_unlock",
]

_put_task_struct: Callable[[task_struct], None] = extern(
    "pykmm.kernel.fork_task", "__put_task_struct"
)


@frozen(kw_only=True)
class kernel_clone_args:
    """What a new task is to be, and to share with its maker."""

    flags: int = 0
    pidfd: UserWord | None = None
    child_tid: UserWord | None = None
    parent_tid: UserWord | None = None
    #: Whose death this tells the parent of; 0 tells nothing.
    exit_signal: int = 0
    stack: int = 0
    stack_size: int = 0
    #: Its numbers in its namespace and those above, as far as they are chosen.
    set_tid: tuple[int, ...] = ()
    #: What the child does in user mode; None: it sleeps until a signal comes.
    program: Callable[[], object] | None = None


@mirrors("include/linux/sched/task.h", checked="v7.2", inline=True)
def get_task_struct(t: task_struct) -> task_struct:
    """Keep the structure alive beyond the RCU read section it was found in.

    Context: Any; the caller knows that *t* is alive now.
    Return: *t*, with a reference owed to :func:`put_task_struct`.
    """
    refcount_inc(t.usage)
    return t


@mirrors("include/linux/sched/task.h", checked="v7.2")
def put_task_struct(t: task_struct) -> None:
    """Give a reference back; after the last one RCU frees the structure.

    Context: Any; never sleeps.
    """
    _put_and_call_rcu(t.usage, lambda: _put_task_struct(t), "put_task_struct")


@mirrors("include/linux/sched/task.h", checked="v7.2", inline=True)
def task_lock(p: task_struct) -> None:
    """Take ``alloc_lock``, which keeps ``p.mm`` from changing.

    Context: Nests inside and outside of a read-held tasklist_lock, and inside
        no write-held one. Nobody may wait for ``mmap_lock`` under it.
    """
    spin_lock(p.alloc_lock)


@mirrors("include/linux/sched/task.h", checked="v7.2", inline=True)
def task_unlock(p: task_struct) -> None:
    """Give ``alloc_lock`` back."""
    spin_unlock(p.alloc_lock)


@contextmanager
def task_locked(p: task_struct) -> Iterator[None]:
    """Hold ``task_lock(p)`` for a block, as Linux's ``guard(task_lock)`` does."""
    task_lock(p)
    try:
        yield
    finally:
        task_unlock(p)

# SPDX-License-Identifier: GPL-2.0-only
"""Handing credentials on, and changing one's own — ``kernel/cred.c``."""

from __future__ import annotations

from attrs import evolve

from ..engine.annotate import mirrors
from ..errno import ENOSPC
from ..linux.compiler import WRITE_ONCE
from ..linux.cred import CAP_FULL_SET, cred, user_namespace
from ..linux.sched import PF_KTHREAD, current, task_struct
from ..linux.sched.coredump import TASK_DUMPABLE_OFF
from ..linux.uapi_sched import CLONE_NEWUSER
from .exec_state import task_exec_state_set_dumpable
from .ucount import dec_rlimit_ucounts, inc_rlimit_ucounts

__all__ = ["commit_creds", "copy_creds", "exit_creds"]

_DEEPEST = 32


@mirrors(
    "kernel/cred.c",
    checked="v7.2",
    abridged="credentials are values that nobody counts; no keys",
)
def copy_creds(p: task_struct, clone_flags: int) -> int:
    """Let a new task act as its maker does, and count it as one more of that user.

    With ``CLONE_NEWUSER`` it may everything in a user namespace of its own.

    Context: Nobody else knows *p*.
    Return: 0, or -ENOSPC for a namespace that is too deep.
    """
    own = current().cred
    if clone_flags & CLONE_NEWUSER:
        above = own.user_ns
        if above.level > _DEEPEST:
            return -ENOSPC
        below = user_namespace(above, above.level + 1, own.euid)
        own = evolve(
            own,
            user_ns=below,
            cap_effective=CAP_FULL_SET,
            cap_permitted=CAP_FULL_SET,
        )
        p.__dict__["cred"] = own
    inc_rlimit_ucounts(own.uid, 1)
    return 0


def exit_creds(p: task_struct) -> None:
    """Undo :func:`copy_creds` for a task that is not to be."""
    dec_rlimit_ucounts(p.__dict__["cred"].uid, 1)


def _hides(old: cred, new: cred) -> bool:
    """Tell whether whoever could look into *old* may not be meant to into *new*."""
    same_users = (old.euid, old.egid) == (new.euid, new.egid)
    return not same_users or not new.cap_permitted <= old.cap_permitted


@mirrors("kernel/cred.c", checked="v7.2", abridged="no keys; fsuid is always euid")
def commit_creds(new: cred) -> int:
    """Act as *new* from now on.

    Who comes to be somebody else cannot be looked into by others like that, and says
    so first; nor does it get its parent's death signal. If nothing changes there is
    no step.

    Context: Any.
    Return: 0.
    """
    task = current()
    old = task.cred
    if new == old:
        return 0
    if _hides(old, new):
        if not task.flags & PF_KTHREAD:
            task_exec_state_set_dumpable(TASK_DUMPABLE_OFF)
        if task.pdeath_signal:
            task.pdeath_signal = 0
    if new.uid != old.uid:
        inc_rlimit_ucounts(new.uid, 1)
    WRITE_ONCE(task).cred = new
    if new.uid != old.uid:
        dec_rlimit_ucounts(old.uid, 1)
    return 0

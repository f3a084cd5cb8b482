# SPDX-License-Identifier: GPL-2.0-only
"""Handing credentials on — ``kernel/cred.c``."""

from __future__ import annotations

from attrs import evolve

from ..engine.annotate import mirrors
from ..errno import ENOSPC
from ..linux.cred import CAP_FULL_SET, user_namespace
from ..linux.sched import task_struct
from ..linux.uapi_sched import CLONE_NEWUSER
from .ucount import dec_rlimit_ucounts, inc_rlimit_ucounts

__all__ = ["copy_creds", "exit_creds"]

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
    if clone_flags & CLONE_NEWUSER:
        above = p.cred.user_ns
        if above.level > _DEEPEST:
            return -ENOSPC
        below = user_namespace(above, above.level + 1, p.cred.euid)
        p.cred = evolve(p.cred, user_ns=below, cap_effective=CAP_FULL_SET)
    inc_rlimit_ucounts(p.cred.uid, 1)
    return 0


def exit_creds(p: task_struct) -> None:
    """Undo :func:`copy_creds` for a task that is not to be."""
    dec_rlimit_ucounts(p.cred.uid, 1)

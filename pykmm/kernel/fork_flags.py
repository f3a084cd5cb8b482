# SPDX-License-Identifier: GPL-2.0-only
"""What may be asked of a new task together — part of ``kernel/fork.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..errno import EINVAL, EPERM, Errno
from ..linux.compiler import READ_ONCE
from ..linux.sched import current
from ..linux.sched.signal import SIGNAL_UNKILLABLE
from ..linux.sched.task import kernel_clone_args
from ..linux.uapi import CAP_SYS_ADMIN
from ..linux.uapi_sched import (
    CLONE_AUTOREAP,
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_EMPTY_MNTNS,
    CLONE_FS,
    CLONE_INTO_CGROUP,
    CLONE_LEGACY_FLAGS,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NNP,
    CLONE_PARENT,
    CLONE_PIDFD,
    CLONE_PIDFD_AUTOKILL,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
    CSIGNAL,
)
from .capability import ns_capable

__all__ = ["_check_clone_flags", "clone3_args_valid", "clone3_stack_valid"]

_CLONE3_FLAGS: Final = (
    CLONE_LEGACY_FLAGS
    | CLONE_CLEAR_SIGHAND
    | CLONE_INTO_CGROUP
    | CLONE_AUTOREAP
    | CLONE_NNP
    | CLONE_PIDFD_AUTOKILL
    | CLONE_EMPTY_MNTNS
)

#: Flags that do not go together: each of these, as a whole, is refused.
_EXCLUDED: Final = (
    CLONE_NEWNS | CLONE_FS,
    CLONE_NEWUSER | CLONE_FS,
)

#: Flags that need another one.
_NEEDED: Final = (
    (CLONE_THREAD, CLONE_SIGHAND),
    (CLONE_SIGHAND, CLONE_VM),
)


def _refused_for_threads(clone_flags: int) -> bool:
    """Tell whether a new thread, or a new sibling, cannot be had as asked."""
    own = current()
    if clone_flags & CLONE_PARENT and READ_ONCE(own.signal).flags & SIGNAL_UNKILLABLE:
        return True  # nobody would reap a sibling of an init
    if not clone_flags & CLONE_THREAD:
        return False
    elsewhere = own.pid_ns_for_children is not None
    return elsewhere or bool(clone_flags & (CLONE_NEWUSER | CLONE_NEWPID))


def _refused_for_autoreap(clone_flags: int, exit_signal: int) -> bool:
    if clone_flags & CLONE_AUTOREAP and (
        clone_flags & (CLONE_THREAD | CLONE_PARENT) or exit_signal
    ):
        return True
    if clone_flags & CLONE_PARENT and current().signal.autoreap:
        return True
    return clone_flags & (CLONE_NNP | CLONE_THREAD) == CLONE_NNP | CLONE_THREAD


def _check_autokill(clone_flags: int) -> Errno | None:
    if not clone_flags & CLONE_PIDFD_AUTOKILL:
        return None
    needed = CLONE_PIDFD | CLONE_AUTOREAP
    if clone_flags & (needed | CLONE_THREAD) != needed:
        return -EINVAL
    if not clone_flags & CLONE_NNP:
        # Without it the child could become somebody whom its maker may not kill.
        if not ns_capable(current().cred.user_ns, CAP_SYS_ADMIN):
            return -EPERM
    return None


def _check_clone_flags(args: kernel_clone_args) -> Errno | None:
    """Check what ``copy_process()`` checks before it makes anything, in its order.

    Context: Any.
    Return: None, -EINVAL or -EPERM.
    """
    flags = args.flags
    if any(flags & both == both for both in _EXCLUDED):
        return -EINVAL
    if any(flags & flag and not flags & other for flag, other in _NEEDED):
        return -EINVAL
    if _refused_for_threads(flags):
        return -EINVAL
    if flags & CLONE_PIDFD and flags & CLONE_DETACHED:
        return -EINVAL
    if _refused_for_autoreap(flags, args.exit_signal):
        return -EINVAL
    return _check_autokill(flags)


@mirrors("kernel/fork.c", checked="v7.2", abridged="no addresses that are out of reach")
def clone3_stack_valid(kargs: kernel_clone_args) -> bool:
    """Tell whether a stack and its size come together, or not at all."""
    return (kargs.stack == 0) == (kargs.stack_size == 0)


@mirrors("kernel/fork.c", checked="v7.2")
def clone3_args_valid(kargs: kernel_clone_args) -> bool:
    """Tell whether ``clone3()`` knows its arguments; they may still be refused."""
    flags = kargs.flags
    if flags & ~_CLONE3_FLAGS:
        return False
    if flags & (CLONE_DETACHED | CSIGNAL & ~CLONE_NEWTIME):
        return False
    both = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND
    if flags & both == both:
        return False
    if flags & (CLONE_THREAD | CLONE_PARENT) and kargs.exit_signal:
        return False
    return clone3_stack_valid(kargs)

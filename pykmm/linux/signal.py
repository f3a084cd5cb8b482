# SPDX-License-Identifier: GPL-2.0-only
"""What is said about a signal, and done about it — ``include/linux/signal.h``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from .uapi import SI_KERNEL, SI_USER

__all__ = [
    "SEND_SIG_NOINFO",
    "SEND_SIG_PRIV",
    "SIG_KTHREAD",
    "SIG_KTHREAD_KERNEL",
    "k_sigaction",
    "kernel_siginfo",
    "sigaction",
]

#: Actions of a kernel thread that takes a signal: from anybody, or from the kernel.
SIG_KTHREAD: Final = 2
SIG_KTHREAD_KERNEL: Final = 3


@frozen
class kernel_siginfo:
    """What the taker of a signal may learn about it."""

    si_signo: int
    si_code: int = SI_USER
    #: Who sent it, or whose death or stop it tells.
    si_pid: int = 0
    si_uid: int = 0
    si_status: int = 0
    si_addr: int = 0


#: Stand for what a plain sender, or the kernel itself, has to say about itself.
SEND_SIG_NOINFO: Final = kernel_siginfo(0)
SEND_SIG_PRIV: Final = kernel_siginfo(0, SI_KERNEL)

#: ``SIG_DFL``, ``SIG_IGN`` or a program's function. With ``SA_SIGINFO`` that is
#: called with the :class:`kernel_siginfo` as well.
_handler = int | Callable[..., object]


@frozen
class sigaction:
    """What a process does about one signal."""

    sa_handler: _handler
    sa_flags: int = 0
    #: What is blocked, besides the signal itself, while the handler runs.
    sa_mask: frozenset[int] = frozenset()


#: What a signal does; a bare handler is one without flags.
k_sigaction = _handler | sigaction

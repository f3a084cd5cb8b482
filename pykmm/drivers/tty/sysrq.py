# SPDX-License-Identifier: GPL-2.0-only
"""Asking for an OOM kill by hand — ``drivers/tty/sysrq.c``.

Of all requests only ``f`` is here. It is served by a worker, so the caller is never
the one who is looked at first, and never the one who is spared.
"""

from __future__ import annotations

from typing import Final

from ...engine.annotate import mirrors
from ...engine.statics import MachineLocal
from ...errno import EFAULT, Errno
from ...linux.gfp_types import GFP_KERNEL
from ...linux.mutex import mutex_lock, mutex_unlock
from ...linux.oom import oom_control
from ...linux.printk import pr_info
from ...linux.rcupdate import rcu_read_lock, rcu_read_unlock
from ...linux.workqueue import schedule_work, work_struct
from ...mm.oom_kill import oom, out_of_memory

__all__ = ["__handle_sysrq", "handle_sysrq", "moom_callback", "write_sysrq_trigger"]

#: The bit of ``kernel.sysrq`` that allows signals to processes.
SYSRQ_ENABLE_SIGNAL: Final = 0x0040
_SYSRQ_ORDER: Final = -1
_BULK: Final = "_"
_MOOM: Final = "f"
_HELP: Final = "HELP : memory-full-oom-kill(f) "


class _SysrqStatics:
    def __init__(self) -> None:
        #: ``kernel.sysrq``: 0 for nothing, 1 for everything, else a mask.
        self.sysrq_enabled = 1
        self.moom_work = work_struct(moom_callback)


_sysrq = MachineLocal(_SysrqStatics)


@mirrors("drivers/tty/sysrq.c", checked="v7.2")
def moom_callback() -> None:
    """Ask the OOM killer, and say so if it found nobody.

    Context: A worker's; may sleep.
    """
    oc = oom_control(zonelist=True, gfp_mask=GFP_KERNEL, order=_SYSRQ_ORDER)
    mutex_lock(oom().oom_lock)
    try:
        if not out_of_memory(oc):
            pr_info("sysrq: OOM request ignored. No task eligible")
    finally:
        mutex_unlock(oom().oom_lock)


@mirrors("drivers/tty/sysrq.c", checked="v7.2")
def sysrq_handle_moom(key: str) -> None:
    """Let a worker ask the OOM killer.

    Context: Any; never sleeps.
    """
    del key
    schedule_work(_sysrq().moom_work)


def _sysrq_on_mask(mask: int) -> bool:
    enabled = _sysrq().sysrq_enabled
    return enabled == 1 or bool(enabled & mask)


@mirrors("drivers/tty/sysrq.c", checked="v7.2", abridged="one request is known")
def __handle_sysrq(key: str, check_mask: bool) -> None:
    """Serve the request *key*, if it may be made.

    Context: Enters an RCU read section; never sleeps.
    """
    rcu_read_lock()
    if key != _MOOM:
        pr_info(f"sysrq: {_HELP}")
    elif not check_mask or _sysrq_on_mask(SYSRQ_ENABLE_SIGNAL):
        pr_info("sysrq: Manual OOM execution")
        sysrq_handle_moom(key)
    else:
        pr_info("sysrq: This sysrq operation is disabled.")
    rcu_read_unlock()


@mirrors("drivers/tty/sysrq.c", checked="v7.2")
def handle_sysrq(key: str) -> None:
    """Serve a request from the keyboard.

    Context: Any; never sleeps.
    """
    if _sysrq().sysrq_enabled:
        __handle_sysrq(key, True)


@mirrors("drivers/tty/sysrq.c", checked="v7.2")
def write_sysrq_trigger(text: bytes | None) -> int | Errno:
    """Serve the first request of *text*, or all if one is an underscore.

    Context: May be called by programs, whatever ``kernel.sysrq`` says.
    Return: How many bytes were taken, which is all; -EFAULT for none.
    """
    if text is None:
        return -EFAULT
    bulk = False
    for char in text.decode("latin-1"):
        if char == _BULK:
            bulk = True
        else:
            __handle_sysrq(char, False)
        if not bulk:
            break
    return len(text)

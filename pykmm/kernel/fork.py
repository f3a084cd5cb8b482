# SPDX-License-Identifier: GPL-2.0-only
"""The life of an address space, and of a task's structures — ``kernel/fork.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..errors import KernelBug
from ..linux.atomic import atomic_dec_and_test
from ..linux.bug import BUG_ON, WARN_ON_ONCE
from ..linux.gfp_types import GFP_KERNEL
from ..linux.kernel import might_sleep
from ..linux.maple_tree import mt_init_flags
from ..linux.mm_types import (
    MM_MT_FLAGS,
    NR_MM_COUNTERS,
    _Rss,
    _tree_of,
    mm_struct,
    mmf_init_legacy_flags,
)
from ..linux.mmu_notifier import mmu_notifier_subscriptions_destroy
from ..linux.sched import current, task_struct
from ..linux.sched.mm import might_alloc, mmdrop
from ..mm.mmap import exit_mmap
from ..mm.swapfile import _forget_swapped

__all__ = [
    "__mmdrop",
    "__mmput",
    "check_mm",
    "mm_alloc",
    "mm_init",
    "mmdrop",
    "mmput",
    "mmput_async",
]

_ALL_FREED: Final = "no uprobes, AIO, KSM, khugepaged, executable file or swap list"


def _inherited_flags(task: task_struct | None) -> int:
    """Return which flags of current's address space a new one starts with."""
    mm: mm_struct | None = None if task is None else task.__dict__["mm"]
    return 0 if mm is None else mmf_init_legacy_flags(mm.flags._value)


@mirrors(
    "kernel/fork.c",
    checked="v7.2",
    abridged="without a parent no flag is set: there is no default dump filter",
)
def mm_init(mm: mm_struct, p: task_struct | None) -> mm_struct:
    """Make *mm* an empty address space with one user, charged to *p*.

    Some of what current's address space is set to goes on in a new one.

    Context: Nobody else knows *mm*.
    """
    mt_init_flags(_tree_of(mm), MM_MT_FLAGS)
    mm.__dict__["owner"] = p
    flags = _inherited_flags(current())
    for nr in range(flags.bit_length()):
        if flags >> nr & 1:
            mm.flags.bit(nr).value = True
    return mm


@mirrors("kernel/fork.c", checked="v7.2")
def mm_alloc() -> mm_struct:
    """Make an empty address space, charged to current.

    Context: May sleep.
    Return: With one user, the caller, and the one ``mm_count`` of all users.
    """
    might_alloc(GFP_KERNEL)
    return mm_init(mm_struct(), current())


@mirrors("kernel/fork.c", checked="v7.2", abridged=_ALL_FREED)
def __mmput(mm: mm_struct) -> None:
    """Take down what the last user left, then drop the users' ``mm_count``.

    Context: May sleep.
    """
    BUG_ON(mm.mm_users.counter, f"{mm.name} is torn down with users")
    exit_mmap(mm)
    _forget_swapped(mm)
    mmdrop(mm)


@mirrors("kernel/fork.c", checked="v7.2")
def mmput(mm: mm_struct) -> None:
    """Stop being a user of *mm*; the last one unmaps everything, right here.

    Context: May sleep. Not with ``mmap_lock`` of *mm* held.
    """
    might_sleep()
    if atomic_dec_and_test(mm.mm_users):
        __mmput(mm)


@mirrors(
    "kernel/fork.c", checked="v7.2", abridged="a worker of its own for each work item"
)
def mmput_async(mm: mm_struct) -> None:
    """Stop being a user of *mm*; if it was the last one, a worker unmaps everything.

    Context: Any; never sleeps.
    """
    if atomic_dec_and_test(mm.mm_users):
        current_machine().thread("kworker", lambda: __mmput(mm))


@mirrors(
    "kernel/fork.c", checked="v7.2", abridged="a report instead of lines in the log"
)
def check_mm(mm: mm_struct) -> None:
    """Report pages that are still counted in an address space without any.

    Context: Nobody refers to *mm* any more, so looking needs no step.
    """
    for member in range(NR_MM_COUNTERS):
        left = mm.rss_stat[member].counter
        if left:
            raise KernelBug(
                f"BUG: Bad rss-counter state mm:{mm.name} "
                f"type:{_Rss(member).name} val:{left}"
            )
    left = mm.pgtables_bytes.counter
    if left:
        raise KernelBug(f"BUG: non-zero pgtables_bytes on freeing mm: {left}")


@mirrors("kernel/fork.c", checked="v7.2", abridged=_ALL_FREED)
def __mmdrop(mm: mm_struct) -> None:
    """Free the structure of *mm*, to which nobody refers any more.

    Context: Any but softirq.
    """
    task = current()
    if task is not None:
        WARN_ON_ONCE(
            task.__dict__["mm"] is mm, f"{mm.name} is freed while current uses it"
        )
    mmu_notifier_subscriptions_destroy(mm)
    check_mm(mm)
    mm._free()

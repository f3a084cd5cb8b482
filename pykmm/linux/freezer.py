# SPDX-License-Identifier: GPL-2.0-only
"""Keeping tasks still while the system sleeps — ``include/linux/freezer.h``.

Nothing is looked at, and no step taken, while nothing freezes: that is a static
branch in Linux.
"""

from __future__ import annotations

from collections.abc import Callable

from ..engine.annotate import extern, mirrors
from ..engine.events import Access
from ..engine.fields import const, embedded, field_of, kernel_struct, shared
from ..engine.objects import Struct
from ..engine.statics import MachineLocal
from ..engine.step import enter, leave
from .bitops import test_bit
from .kernel import might_sleep
from .sched import PF_NOFREEZE, TASK_FROZEN, current, task_struct
from .spinlock import spinlock_t

__all__ = [
    "FreezerStatics",
    "freezer",
    "freezing",
    "frozen",
    "static_branch_freezer",
    "try_to_freeze",
]

_freezing_slow_path: Callable[[task_struct], bool] = extern(
    "pykmm.kernel.freezer", "freezing_slow_path"
)
_debug_check_no_locks_held: Callable[[], None] = extern(
    "pykmm.kernel.locking.lockdep", "debug_check_no_locks_held"
)
_refrigerator: Callable[[bool], bool] = extern("pykmm.kernel.freezer", "__refrigerator")


@kernel_struct
class FreezerStatics(Struct):
    """What is being frozen; changed by whoever suspends the system, alone."""

    freezer_lock: spinlock_t = embedded(spinlock_t)
    #: Changed by stopping everybody: whoever passes looks without a step.
    freezer_active: bool = const(default=False)
    pm_freezing: bool = shared(default=False)
    pm_nosig_freezing: bool = shared(default=False)
    freeze_timeout_msecs: int = const(default=20_000)


freezer = MachineLocal(FreezerStatics)


def static_branch_freezer(active: bool) -> None:
    """Switch ``freezer_active``: all code is patched while nobody runs."""
    statics = freezer()
    branch = field_of(statics, "freezer_active")
    t = enter(branch, "static_branch")
    statics.freezer_active = active
    leave(t, branch, Access.BARRIER, active)


@mirrors("include/linux/freezer.h", checked="v7.2", inline=True)
def frozen(p: task_struct) -> bool:
    """Tell whether *p* stands still in the refrigerator.

    Context: Any; the answer may be old when it arrives.
    """
    return test_bit(TASK_FROZEN, p._state)


@mirrors("include/linux/freezer.h", checked="v7.2", inline=True)
def freezing(p: task_struct) -> bool:
    """Tell whether somebody wants *p* to stand still.

    Context: Any.
    """
    return freezer().freezer_active and _freezing_slow_path(p)


@mirrors("include/linux/freezer.h", checked="v7.2", inline=True)
def try_to_freeze() -> bool:
    """Stand still if somebody wants it, until thawed.

    Context: May sleep, even if it does not have to.
    Return: Whether current was frozen.
    """
    might_sleep()
    if not freezing(current()):
        return False
    if not current().flags & PF_NOFREEZE:
        _debug_check_no_locks_held()
    return _refrigerator(False)

# SPDX-License-Identifier: GPL-2.0-only
"""How much memory the machine may promise — ``mm/util.c``.

A private mapping to write to is a promise of as much memory as it has room for.
``vm.overcommit_memory`` says what that is worth: 0 refuses only what could never be
kept, 1 nothing, and 2 whatever goes beyond swap and a part of memory.
"""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors
from ..engine.machine import current_machine
from ..engine.statics import MachineLocal
from ..errno import ENOMEM, Errno
from ..kernel.sysctl import proc_dointvec_minmax, register_sysctl_init
from ..lib.ratelimit import ___ratelimit, ratelimit_state
from ..linux.atomic import atomic_long_read
from ..linux.compiler import READ_ONCE, WRITE_ONCE
from ..linux.mm import PAGE_SHIFT
from ..linux.mm_types import mm_struct
from ..linux.mman import (
    OVERCOMMIT_ALWAYS,
    OVERCOMMIT_GUESS,
    OVERCOMMIT_NEVER,
    _settings,
    mmap_sysctls,
    vm_acct_memory,
    vm_committed_as,
    vm_unacct_memory,
)
from ..linux.printk import pr_warn
from ..linux.sched import current
from ..linux.sysctl import ctl_table, proc_handler
from .hugetlb_pool import hugetlb_total_pages
from .swapfile import total_swap_pages

__all__ = [
    "__vm_enough_memory",
    "init_vm_util_sysctls",
    "vm_commit_limit",
    "vm_util_table",
]

_KB: Final = PAGE_SHIFT - 10
_MODE: Final = 0o644


class _Statics:
    def __init__(self) -> None:
        self.warnings = ratelimit_state()


_statics = MachineLocal(_Statics)


@mirrors("mm/util.c", checked="v7.2")
def overcommit_ratio_handler(
    table: ctl_table, text: bytes | None, pos: int
) -> bytes | int | Errno:
    """Read or write the ratio; a new one takes the place of the absolute limit.

    Context: May sleep.
    Return: As :func:`proc_dointvec_minmax`.
    """
    ret = proc_dointvec_minmax(table, text, pos)
    if text is not None and not isinstance(ret, Errno):
        WRITE_ONCE(_settings()).overcommit_kbytes = 0
    return ret


@mirrors("mm/util.c", checked="v7.2")
def overcommit_kbytes_handler(
    table: ctl_table, text: bytes | None, pos: int
) -> bytes | int | Errno:
    """Read or write the absolute limit; a new one takes the place of the ratio.

    Context: May sleep.
    Return: As :func:`proc_dointvec_minmax`.
    """
    ret = proc_dointvec_minmax(table, text, pos)
    if text is not None and not isinstance(ret, Errno):
        WRITE_ONCE(_settings()).overcommit_ratio = 0
    return ret


def _number(
    name: str,
    most: int | None = None,
    handler: proc_handler = proc_dointvec_minmax,
) -> ctl_table:
    return ctl_table(name, (_settings, name), _MODE, handler, extra1=0, extra2=most)


#: The settings, in the order in which they are registered below ``vm``.
vm_util_table: Final = (
    _number("overcommit_memory", OVERCOMMIT_NEVER),
    _number("overcommit_ratio", handler=overcommit_ratio_handler),
    _number("overcommit_kbytes", handler=overcommit_kbytes_handler),
    _number("user_reserve_kbytes"),
    _number("admin_reserve_kbytes"),
    _number("max_map_count"),
)


@mirrors("mm/util.c", checked="v7.2")
def init_vm_util_sysctls() -> None:
    """Let the settings be found.

    Context: Boot.
    """
    register_sysctl_init("vm", vm_util_table)


@mirrors("mm/util.c", checked="v7.2")
def vm_commit_limit() -> int:
    """Return how many pages mode 2 lets the machine promise.

    Context: Any.
    """
    config = current_machine().config
    kbytes = mmap_sysctls().overcommit_kbytes
    if kbytes:
        allowed = kbytes >> _KB
    else:
        small = config.totalram_pages - hugetlb_total_pages()
        allowed = small * mmap_sysctls().overcommit_ratio // 100
    return allowed + total_swap_pages()


@mirrors("mm/util.c", checked="v7.2")
def __vm_enough_memory(mm: mm_struct, pages: int, cap_sys_admin: bool) -> int:
    """Promise *pages*, and take that back if it is too much.

    Others see the promise meanwhile, and may be refused for it.

    Context: ``mmap_lock`` of *mm*.
    Return: 0 or -ENOMEM.
    """
    vm_acct_memory(pages)
    if _may_promise(mm, pages, cap_sys_admin):
        return 0
    if ___ratelimit(_statics().warnings, "__vm_enough_memory"):
        task = current()
        pr_warn(
            f"__vm_enough_memory: pid: {task.pid}, comm: {task.comm}, "
            f"bytes: {pages << PAGE_SHIFT} not enough memory for the allocation"
        )
    vm_unacct_memory(pages)
    return -ENOMEM


def _may_promise(mm: mm_struct, pages: int, cap_sys_admin: bool) -> bool:
    mode = mmap_sysctls().overcommit_memory
    if mode == OVERCOMMIT_ALWAYS:
        return True
    if mode == OVERCOMMIT_GUESS:
        config = current_machine().config
        ram = config.totalram_pages
        return pages <= ram or pages <= ram + total_swap_pages()
    allowed = vm_commit_limit()
    if not cap_sys_admin:
        allowed -= mmap_sysctls().admin_reserve_kbytes >> _KB
    reserve = mmap_sysctls().user_reserve_kbytes >> _KB
    allowed -= min(READ_ONCE(mm).total_vm // 32, reserve)
    return atomic_long_read(vm_committed_as()) < allowed

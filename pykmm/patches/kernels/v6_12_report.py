# SPDX-License-Identifier: GPL-2.0-only
"""What Linux 6.12 said differently: part of the patch ``v6.12``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ...errors import UsageError
from ...lib import dump_stack, vsprintf
from ...linux import gfp_types
from ...linux.memcontrol import mem_cgroup
from ...linux.printk import printk_dump
from ...linux.sched import current
from ...mm import memcontrol_print, show_mem

__all__ = ["replaced"]

#: The names of allocations' flags, in the order in which 6.12 looked for them.
_NAMES: Final = (
    "GFP_TRANSHUGE GFP_TRANSHUGE_LIGHT GFP_HIGHUSER_MOVABLE GFP_HIGHUSER GFP_USER "
    "GFP_KERNEL_ACCOUNT GFP_KERNEL GFP_NOFS GFP_ATOMIC GFP_NOIO GFP_NOWAIT GFP_DMA "
    "__GFP_HIGHMEM GFP_DMA32 __GFP_HIGH __GFP_IO __GFP_FS __GFP_NOWARN "
    "__GFP_RETRY_MAYFAIL __GFP_NOFAIL __GFP_NORETRY __GFP_COMP __GFP_ZERO "
    "__GFP_NOMEMALLOC __GFP_MEMALLOC __GFP_HARDWALL __GFP_THISNODE __GFP_RECLAIMABLE "
    "__GFP_MOVABLE __GFP_ACCOUNT __GFP_WRITE __GFP_RECLAIM __GFP_DIRECT_RECLAIM "
    "__GFP_KSWAPD_RECLAIM __GFP_ZEROTAGS"
)
gfpflag_names: Final = tuple((vars(gfp_types)[name], name) for name in _NAMES.split())

_RELEASE: Final = "6.12.0 #1"


def _flags_string(flags: int, kind: str) -> str:
    """Spell a word of flags; before 6.14 the order of the names was their own."""
    if kind != "g":
        raise UsageError(f"flags_string(): kind={kind!r} is not known: it must be 'g'")
    return vsprintf.format_flags(flags, gfpflag_names)


def _dump_stack_print_info(log_lvl: int) -> None:
    """Print the line that says which task runs; how it is preempted came later."""
    task = current()
    printk_dump(
        f"CPU: 0 UID: {task.cred.uid} PID: {task.pid} "
        f"Comm: {task.__dict__['comm']:.20} "
        f"Not tainted {_RELEASE} ",
        log_lvl,
    )


def _show_protected_memory(memcg: mem_cgroup | None) -> None:
    """Say nothing: the line came with 6.19 (bc8e51c05ad5)."""
    del memcg


#: Balloons and GPUs were not counted yet; pages that FUSE writes back were.
_NODE: Final = (
    "Node {nid} active_anon:0kB inactive_anon:{NR_INACTIVE_ANON}kB active_file:0kB "
    "inactive_file:{NR_INACTIVE_FILE}kB unevictable:{NR_UNEVICTABLE}kB "
    "isolated(anon):0kB isolated(file):0kB mapped:{NR_FILE_MAPPED}kB "
    "dirty:{NR_FILE_DIRTY}kB writeback:{NR_WRITEBACK}kB shmem:{NR_SHMEM}kB "
    "writeback_tmp:0kB kernel_stack:0kB pagetables:{NR_PAGETABLE}kB "
    "sec_pagetables:0kB all_unreclaimable? no"
)
#: Two counters of a zone came later.
_ZONE: Final = (
    "Node {nid} Normal free:{free}kB boost:0kB min:{min}kB low:{low}kB high:{high}kB "
    "reserved_highatomic:0KB active_anon:0kB inactive_anon:{NR_INACTIVE_ANON}kB "
    "active_file:0kB inactive_file:{NR_INACTIVE_FILE}kB "
    "unevictable:{NR_UNEVICTABLE}kB writepending:{pending}kB present:{present}kB "
    "managed:{managed}kB mlocked:{NR_UNEVICTABLE}kB bounce:0kB free_pcp:0kB "
    "local_pcp:0kB free_cma:0kB"
)


def _show_free_areas(
    flags: int, nodemask: frozenset[int] | None, max_zone_idx: int
) -> None:
    """Print how the memory is used, in the words of 6.12."""
    show_mem._show(flags, nodemask, max_zone_idx, node_format=_NODE, zone_format=_ZONE)


def replaced() -> Iterator[tuple[Callable[..., object], Callable[..., object]]]:
    """Yield each function of the baseline with what 6.12 had instead."""
    yield vsprintf.flags_string, _flags_string
    yield dump_stack.dump_stack_print_info, _dump_stack_print_info
    yield memcontrol_print.mem_cgroup_show_protected_memory, _show_protected_memory
    yield show_mem.show_free_areas, _show_free_areas

# SPDX-License-Identifier: GPL-2.0-only
"""Worlds for the oracle: machines at rest, and calls on them.

Keys that a world may leave out are in tables, each with *one in how many* worlds,
mappings, tasks or calls has it: that is the proportion, and leaving it out is what
shrinking tries first. What there are several of comes in lists of up to a few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from ..linux.mm_types import MMF_FLAGS

__all__ = [
    "CALL",
    "MACHINE",
    "MEMCG",
    "MM",
    "REFERENCES",
    "SYSCTL",
    "TASK",
    "VMA",
    "WORLD",
    "worlds",
]

#: A strategy for a key, and in one of how many objects the key is there.
Table = Mapping[str, tuple[int, st.SearchStrategy[Any]]]

_MMS: Final = ("a", "b", "c")
_MEMCGS: Final = ("g", "h", "i")
_NODES: Final = 3
_TASKS: Final = 6
_CALLS: Final = 4
_MAPPINGS: Final = 4

_any: Final = st.integers(0, 11)
_yes: Final = st.just(True)
_pages: Final = st.sampled_from((1, 10, 999, 5000, 1 << 18))
_adj: Final = st.sampled_from((300, 1000, -1, -999, -1000)) | st.integers(-1000, 1000)


def _list(
    items: st.SearchStrategy[Any], least: int, most: int
) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, min_size=least, max_size=most, unique=True)


#: Of a machine with up to three nodes; the nodes themselves are always there.
MACHINE: Final[Table] = {
    "totalram_pages": (2, st.sampled_from((1 << 18, 999, 1))),
    "total_swap_pages": (2, _pages),
    "notifier_frees": (8, st.sampled_from((1, 5))),
    "oom_killer_disabled": (8, _yes),
}
#: Of the world as a whole.
WORLD: Final[Table] = {
    "kernel": (2, st.sampled_from(("7.2", "6.12"))),
    "page_size": (8, st.sampled_from((16384, 65536))),
    "hz": (8, st.sampled_from((100, 1000))),
}
SYSCTL: Final[Table] = {
    "panic_on_oom": (8, st.sampled_from((1, 2))),
    "oom_kill_allocating_task": (8, st.just(1)),
    "oom_dump_tasks": (4, st.just(0)),
}
#: Of a cgroup; the parent is one that stands before it, if one does.
MEMCG: Final[Table] = {
    "parent": (2, st.integers(1, 4)),
    "max_pages": (2, _pages),
    "swap_max_pages": (4, _pages),
    "oom_group": (4, _yes),
}
MM: Final[Table] = {
    "anon": (2, _pages),
    "file": (2, _pages),
    "shmem": (4, _pages),
    "swap": (4, _pages),
    "pgtables_bytes": (2, st.sampled_from((4096, 40960, 1 << 20))),
    "total_vm": (4, _pages),
    "mm_users": (8, st.integers(0, 4)),
    "flags": (4, _list(st.sampled_from(tuple(MMF_FLAGS)), 1, 2)),
    "mmap_lock": (4, st.sampled_from(("read", "write"))),
}
#: Of a mapping; they follow each other with gaps, so none overlaps another.
VMA: Final[Table] = {
    "kind": (2, st.sampled_from(("file", "shmem", "hugetlb", "pfnmap"))),
    "shared": (4, _yes),
    "notifier": (8, st.just("blocks")),
}
#: Of a task, what it has to itself.
TASK: Final[Table] = {
    "comm": (2, st.sampled_from(("init", "hog", "a b", "ü"))),
    "uid": (4, st.sampled_from((1000, (1 << 32) - 2))),
    "flags": (4, _list(st.sampled_from(("PF_EXITING", "PF_KTHREAD")), 1, 1)),
    "group_exit": (8, _yes),
    "core_dump": (8, _yes),
    "oom_score_adj": (2, _adj),
    "oom_score_adj_min": (8, _adj),
    "oom_origin": (8, _yes),
}
#: What else a task may refer to, if that is there.
REFERENCES: Final[Table] = {
    "tgid": (4, _any),
    "mm": (1, st.none() | _any | _any | _any),
    "oom_mm": (8, _any),
    "vfork_parent": (8, _any),
    "memcg": (2, _any),
    "mems_allowed": (8, _list(_any, 1, _NODES)),
    "mempolicy_nodes": (8, _list(_any, 1, _NODES)),
}
#: Of a call of ``out_of_memory()``, which is every other call.
CALL: Final[Table] = {
    "order": (4, st.sampled_from((3, -1))),
    "zonelist": (4, st.just(False)),
}
_SMALL_CALLS: Final = (
    "proc_oom_score",
    "find_lock_task_mm",
    "task_will_free_mem",
    "oom_badness",
    "process_shares_mm",
    "process_mrelease",
    "oom_reaper",
    "wake_oom_reaper",
    "exit_oom_victim",
)
_GFP: Final = st.sampled_from((0xCC0, 0xCC0, 0x100CCA, 0x200CC0, 0xC40, 0))


def one_in(draw: st.DrawFn, many: int) -> bool:
    """Draw whether this is the one of *many*; shrinks to no."""
    return draw(st.integers(1, many)) == many


def _one_of(draw: st.DrawFn, values: Sequence[Any]) -> Any:
    """Draw one of *values*, in the same way however many there are.

    What is drawn later then goes on meaning the same when one of them is left out,
    which is what shrinking tries.
    """
    return values[draw(_any) % len(values)]


def _object(draw: st.DrawFn, table: Table, **always: Any) -> dict[str, Any]:
    """Draw an object: what it has *always*, and what *table* says it may have."""
    found = dict(always)
    for key, (many, values) in table.items():
        if one_in(draw, many):
            found[key] = draw(values)
    return found


class Names:
    """What tasks and calls of one world can refer to."""

    def __init__(self, mms: list[str], memcgs: list[str], nodes: int) -> None:
        self.mms = mms
        self.memcgs = memcgs
        self.nodes = range(nodes)
        self.pids: list[int] = []


@st.composite
def _vma(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a mapping whose addresses are, so far, its gap and its length in pages."""
    gap, length = st.sampled_from((0, 1, 600)), st.sampled_from((1, 3, 512))
    return _object(draw, VMA, start=draw(gap), end=draw(length))


@st.composite
def _vmas(draw: st.DrawFn, page_size: int) -> list[dict[str, Any]]:
    found = draw(st.lists(_vma(), max_size=_MAPPINGS))
    at = 16
    for vma in found:
        start = at + vma["start"]
        at = start + vma["end"]
        vma |= {"start": start * page_size, "end": at * page_size}
    return found


@st.composite
def _memcg(draw: st.DrawFn) -> dict[str, Any]:
    return _object(draw, MEMCG)


@st.composite
def _mm(draw: st.DrawFn, page_size: int) -> dict[str, Any]:
    return _object(draw, MM, vmas=draw(_vmas(page_size)))


@st.composite
def _task(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a task that says by numbers what it refers to; it does not know of it."""
    return _object(draw, {**TASK, **REFERENCES}, pid=draw(st.integers(1, 9)))


def _refer(task: dict[str, Any], before: list[dict[str, Any]], names: Names) -> None:
    """Put names in the place of numbers, and nothing where there is nothing."""
    pools = {
        "tgid": [t["pid"] for t in before if "tgid" not in t],
        "mm": names.mms,
        "oom_mm": names.mms,
        "vfork_parent": [t["pid"] for t in before],
        "memcg": names.memcgs,
    }
    for key, pool in pools.items():
        number = task.pop(key, None)
        if number is not None and pool:
            task[key] = pool[number % len(pool)]
    for key in ("mems_allowed", "mempolicy_nodes"):
        if key in task:
            task[key] = sorted({node % len(names.nodes) for node in task[key]})


@st.composite
def _call(draw: st.DrawFn, names: Names) -> dict[str, Any]:
    if draw(st.booleans()):
        return _small_call(draw, names)
    call = _object(draw, CALL, fn="out_of_memory", gfp_mask=draw(_GFP))
    if one_in(draw, 4) and names.memcgs:
        call["memcg"] = _one_of(draw, names.memcgs)
    if one_in(draw, 8):
        call["nodemask"] = draw(_list(st.sampled_from(names.nodes), 1, _NODES))
    return call


def _small_call(draw: st.DrawFn, names: Names) -> dict[str, Any]:
    """Draw one of the other calls, each as often as another."""
    pid = _one_of(draw, names.pids)
    fn = draw(st.sampled_from(_SMALL_CALLS))
    call: dict[str, Any] = {"fn": fn}
    if fn == "process_shares_mm":
        if not names.mms:
            return {"fn": "find_lock_task_mm", "pid": pid}
        call["mm"] = _one_of(draw, names.mms)
    if fn == "oom_badness":
        call["totalpages"] = draw(_pages)
    if fn == "process_mrelease" and one_in(draw, 4):
        return {**call, "pid": None}
    return call if fn == "oom_reaper" else {**call, "pid": pid}


@st.composite
def worlds(draw: st.DrawFn, *, calls: int = _CALLS) -> dict[str, Any]:
    """Draw a world that the oracle takes, with up to *calls* calls.

    It has 1 to 3 nodes, up to 3 cgroups and 3 address spaces of up to 4 mappings
    each, and 1 to 6 tasks, each of which is a thread of an earlier one in one of four.
    The tables of this module say how often everything else is there.
    """
    world = _object(draw, WORLD, format="pykmm-world/1")
    page_size = world.get("page_size", 4096)
    nodes = draw(st.lists(_pages, min_size=1, max_size=_NODES))
    world["machine"] = _object(
        draw, MACHINE, nodes=[{"present_pages": pages} for pages in nodes]
    )
    world["sysctl"] = _object(draw, SYSCTL)
    world["memcgs"] = draw(st.lists(_memcg(), max_size=len(_MEMCGS)))
    for number, (name, group) in enumerate(zip(_MEMCGS, world["memcgs"], strict=False)):
        below = group.pop("parent", 0)
        group["id"] = name
        if below and number:
            group["parent"] = _MEMCGS[below % number]
    world["mms"] = draw(st.lists(_mm(page_size), max_size=len(_MMS)))
    for name, mm in zip(_MMS, world["mms"], strict=False):
        mm["id"] = name
    names = Names(
        [mm["id"] for mm in world["mms"]],
        [group["id"] for group in world["memcgs"]],
        len(nodes),
    )
    tasks = st.lists(
        _task(), min_size=1, max_size=_TASKS, unique_by=lambda task: task["pid"]
    )
    world["tasks"] = draw(tasks)
    for number, task in enumerate(world["tasks"]):
        _refer(task, world["tasks"][:number], names)
    names.pids = [task["pid"] for task in world["tasks"]]
    if one_in(draw, 4):
        world["current"] = _one_of(draw, names.pids)
    world["calls"] = draw(st.lists(_call(names), max_size=calls))
    return world

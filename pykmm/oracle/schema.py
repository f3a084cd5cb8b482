# SPDX-License-Identifier: GPL-2.0-only
"""The world file ``pykmm-world/1``: its keys, what may stand there, the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..engine.config import BASELINE
from ..linux.mm_types import MMF_FLAGS
from .refusal import Refused, pointer
from .shape import Flag, ListOf, Maybe, Object, OneByOne, OneOf, Text, Whole

if TYPE_CHECKING:
    from .shape import Shape

__all__ = ["DEFAULTS", "FORMAT", "KERNELS", "NODES_AT_MOST", "check_shape"]

FORMAT: Final = "pykmm-world/1"
#: The kernels that a world can ask for; the last one is the default.
KERNELS: Final = ("6.12", BASELINE.removeprefix("v"))
#: ``MAX_NUMNODES`` of a distribution's kernel.
NODES_AT_MOST: Final = 1024

_PAGES = Whole(0, (1 << 52) - 1)  # all that 64-bit byte addresses can tell apart
_BYTES = Whole(0, (1 << 63) - 1)
_INT = Whole(-(1 << 31), (1 << 31) - 1)
_PID = Whole(1, (1 << 22) - 1)
_ADJ = Whole(-1000, 1000)
_FLAG = Flag()
_NODE = Whole(0, NODES_AT_MOST - 1)
_NODES = Maybe(ListOf(_NODE, least=1))
_ID = Text(1, 255, "")
#: A cgroup's name is a part of a path.
_CGROUP = Text(1, 255, "/\n\0")
_COMM = Text(0, 15, "\0")

_MACHINE = Object(
    {
        "totalram_pages": Whole(1, (1 << 52) - 1),
        "total_swap_pages": _PAGES,
        "nodes": ListOf(
            Object({"present_pages": _PAGES}, frozenset({"present_pages"})),
            least=1,
            most=NODES_AT_MOST,
        ),
        "notifier_frees": _PAGES,
        "oom_killer_disabled": _FLAG,
    }
)
_SYSCTL = Object(
    {
        "panic_on_oom": Whole(0, 2),
        "oom_kill_allocating_task": _INT,
        "oom_dump_tasks": _INT,
    }
)
_MEMCG = Object(
    {
        "id": _CGROUP,
        "parent": Maybe(_CGROUP),
        "max_pages": Maybe(_PAGES),
        "swap_max_pages": Maybe(_PAGES),
        "oom_group": _FLAG,
    },
    frozenset({"id"}),
)
_ADDRESS = Whole(0, 1 << 63)
_VMA = Object(
    {
        "start": _ADDRESS,
        "end": _ADDRESS,
        "kind": OneOf(("anon", "file", "shmem", "hugetlb", "pfnmap")),
        "shared": _FLAG,
        "notifier": OneOf(("none", "blocks")),
    },
    frozenset({"start", "end"}),
)
_MM = Object(
    {
        "id": _ID,
        "file": _PAGES,
        "anon": _PAGES,
        "shmem": _PAGES,
        "swap": _PAGES,
        "pgtables_bytes": _BYTES,
        "total_vm": _PAGES,
        "mm_users": Maybe(Whole(0, (1 << 30) - 1)),
        "flags": ListOf(OneOf(tuple(MMF_FLAGS))),
        "mmap_lock": OneOf(("free", "read", "write")),
        "vmas": ListOf(_VMA),
    },
    frozenset({"id"}),
)
_TASK = Object(
    {
        "pid": _PID,
        "tgid": _PID,
        "comm": _COMM,
        "uid": Whole(0, (1 << 32) - 2),
        "mm": Maybe(_ID),
        "flags": ListOf(OneOf(("PF_EXITING", "PF_KTHREAD"))),
        "group_exit": _FLAG,
        "core_dump": _FLAG,
        "oom_score_adj": _ADJ,
        "oom_score_adj_min": _ADJ,
        "oom_origin": _FLAG,
        "oom_mm": Maybe(_ID),
        "vfork_parent": Maybe(_PID),
        "memcg": Maybe(_CGROUP),
        "mems_allowed": _NODES,
        "mempolicy_nodes": _NODES,
    },
    frozenset({"pid"}),
)

_FN = Text(0, 255, "")


def _call(needed: str = "", **keys: Shape) -> Object:
    return Object({"fn": _FN, **keys}, frozenset({"fn", *needed.split()}))


_CALLS: Final[dict[str, Object]] = {
    "oom_badness": _call("pid totalpages", pid=_PID, totalpages=_PAGES),
    "proc_oom_score": _call("pid", pid=_PID),
    "task_will_free_mem": _call("pid", pid=_PID),
    "process_shares_mm": _call("pid mm", pid=_PID, mm=_ID),
    "find_lock_task_mm": _call("pid", pid=_PID),
    "out_of_memory": _call(
        "gfp_mask",
        gfp_mask=Whole(0, (1 << 32) - 1),
        order=Whole(-1, (1 << 31) - 1),
        memcg=Maybe(_CGROUP),
        nodemask=Maybe(ListOf(_NODE)),
        zonelist=_FLAG,
    ),
    "process_mrelease": _call("pid", pid=Maybe(_PID), flags=Whole(0, (1 << 32) - 1)),
    "wake_oom_reaper": _call("pid", pid=_PID),
    "oom_reaper": _call(),
    "exit_oom_victim": _call("pid", pid=_PID),
}


class _AnyCall(OneByOne):
    """A call: ``fn`` says which keys it has."""

    def fits(self, value: object) -> bool:
        """Tell whether *value* is a call."""
        if type(value) is not dict:
            return False
        fn = value.get("fn")
        return type(fn) is str and fn in _CALLS and _CALLS[fn].fits(value)

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        call = Object({"fn": OneOf(tuple(_CALLS))}, frozenset({"fn"}))
        if isinstance(value, dict) and "fn" in value:
            if call.fits({"fn": value["fn"]}):
                _CALLS[value["fn"]].complain(value, where)
            call.complain({"fn": value["fn"]}, where)
        call.complain({} if isinstance(value, dict) else value, where)


_WORLD = Object(
    {
        "format": OneOf((FORMAT,)),
        "kernel": OneOf(KERNELS),
        "page_size": OneOf(tuple(4096 << n for n in range(5))),
        "hz": Whole(1, 10_000),
        "machine": _MACHINE,
        "sysctl": _SYSCTL,
        "memcgs": ListOf(_MEMCG),
        "mms": ListOf(_MM),
        "tasks": ListOf(_TASK),
        "current": _PID,
        "calls": ListOf(_AnyCall()),
    },
    frozenset({"format", "calls"}),
)

#: What stands behind each optional key, where that does not depend on others.
DEFAULTS: Final[dict[str, dict[str, object]]] = {
    "world": {
        "kernel": KERNELS[-1],
        "page_size": 4096,
        "hz": 250,
        "machine": {},
        "sysctl": {},
        "memcgs": [],
        "mms": [],
        "tasks": [],
        "current": None,
    },
    "machine": {
        "totalram_pages": None,
        "total_swap_pages": 0,
        "nodes": None,
        "notifier_frees": 0,
        "oom_killer_disabled": False,
    },
    "sysctl": {"panic_on_oom": 0, "oom_kill_allocating_task": 0, "oom_dump_tasks": 1},
    "memcg": {
        "parent": None,
        "max_pages": None,
        "swap_max_pages": None,
        "oom_group": False,
    },
    "mm": {
        "file": 0,
        "anon": 0,
        "shmem": 0,
        "swap": 0,
        "pgtables_bytes": 0,
        "total_vm": 0,
        "mm_users": None,
        "flags": [],
        "mmap_lock": "free",
        "vmas": [],
    },
    "vma": {"kind": "anon", "shared": False, "notifier": "none"},
    "task": {
        "tgid": None,
        "comm": "task",
        "uid": 0,
        "mm": None,
        "flags": [],
        "group_exit": False,
        "core_dump": False,
        "oom_score_adj": 0,
        "oom_score_adj_min": 0,
        "oom_origin": False,
        "oom_mm": None,
        "vfork_parent": None,
        "memcg": None,
        "mems_allowed": None,
        "mempolicy_nodes": None,
    },
    "call": {
        "order": 0,
        "memcg": None,
        "nodemask": None,
        "zonelist": True,
        "flags": 0,
    },
}


def check_shape(value: object) -> dict[str, object]:
    """Return *value* if it looks like a world; a :class:`Refused` says where not."""
    if not _WORLD.fits(value):
        if isinstance(value, dict) and value.get("format", FORMAT) != FORMAT:
            what = f"the format must be {FORMAT!r}: this reads no other"
            raise Refused(pointer("", "format"), what)
        _WORLD.complain(value, "")
    assert isinstance(value, dict)  # that is a part of its shape
    return value

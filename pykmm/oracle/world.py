# SPDX-License-Identifier: GPL-2.0-only
"""A world with its defaults filled in, whose names all lead somewhere."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

from ..engine.defaults import dict_with_defaults
from .refusal import Refused, pointer
from .schema import DEFAULTS, check_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Call", "Machine", "Memcg", "Mm", "Task", "Vma", "World", "read_world"]

#: Copies of things of which a world can have many, without the defaults.
_FILLED: Final = {
    name: dict_with_defaults(DEFAULTS[name]) for name in ("memcg", "mm", "task", "vma")
}
#: Keys of tasks that may refer to others further down, or are rare.
_LATER: Final = frozenset({"vfork_parent", "mems_allowed", "mempolicy_nodes"})
#: How many pages a machine has if nobody says.
_RAM_PAGES: Final = 1 << 20


class Node(TypedDict):
    """A node of memory."""

    present_pages: int


class Machine(TypedDict):
    """The machine's memory."""

    totalram_pages: int
    total_swap_pages: int
    nodes: list[Node]
    notifier_frees: int
    oom_killer_disabled: bool


class Sysctl(TypedDict):
    """The administrator's wishes."""

    panic_on_oom: int
    oom_kill_allocating_task: int
    oom_dump_tasks: int


class Memcg(TypedDict):
    """A memory cgroup."""

    id: str
    parent: str | None
    max_pages: int | None
    swap_max_pages: int | None
    oom_group: bool


class Vma(TypedDict):
    """A mapping."""

    start: int
    end: int
    kind: str
    shared: bool
    notifier: str


class Mm(TypedDict):
    """An address space."""

    id: str
    file: int
    anon: int
    shmem: int
    swap: int
    pgtables_bytes: int
    total_vm: int
    mm_users: int | None
    flags: list[str]
    mmap_lock: str
    vmas: list[Vma]


class Task(TypedDict):
    """A thread."""

    pid: int
    tgid: int
    comm: str
    uid: int
    mm: str | None
    flags: list[str]
    group_exit: bool
    core_dump: bool
    oom_score_adj: int
    oom_score_adj_min: int
    oom_origin: bool
    oom_mm: str | None
    vfork_parent: int | None
    memcg: str | None
    mems_allowed: list[int] | None
    mempolicy_nodes: list[int] | None


class Call(TypedDict, total=False):
    """A call; which of the keys it has depends on ``fn``."""

    fn: str
    pid: int | None
    totalpages: int
    mm: str
    gfp_mask: int
    order: int
    memcg: str | None
    nodemask: list[int] | None
    zonelist: bool
    flags: int


class World(TypedDict):
    """A machine at rest, and what to call on it."""

    format: str
    kernel: str
    page_size: int
    hz: int
    machine: Machine
    sysctl: Sysctl
    memcgs: list[Memcg]
    mms: list[Mm]
    tasks: list[Task]
    current: int | None
    calls: list[Call]


def read_world(value: object) -> World:
    """Return *value* as a world; a :class:`Refused` says why it is none."""
    given = check_shape(value)
    world: Any = {**DEFAULTS["world"], **given}
    world["machine"] = _machine({**DEFAULTS["machine"], **world["machine"]})
    world["sysctl"] = {**DEFAULTS["sysctl"], **world["sysctl"]}
    for key, name in (("memcgs", "memcg"), ("mms", "mm"), ("tasks", "task")):
        world[key] = list(map(_FILLED[name], world[key]))
    for mm in world["mms"]:
        if mm["vmas"]:
            mm["vmas"] = list(map(_FILLED["vma"], mm["vmas"]))
    for task in world["tasks"]:
        if task["tgid"] is None:
            task["tgid"] = task["pid"]
    world["calls"] = [{**DEFAULTS["call"], **call} for call in world["calls"]]
    checked = cast("World", world)
    _Names(checked).check()
    return checked


def _machine(machine: dict[str, Any]) -> dict[str, Any]:
    """Derive all RAM from the nodes, or one node from all RAM."""
    nodes, ram = machine["nodes"], machine["totalram_pages"]
    if nodes is not None and ram is None:
        ram = sum(node["present_pages"] for node in nodes)
        if not ram:
            what = "these nodes have no page, so totalram_pages must be given"
            raise Refused("/machine/nodes", what)
    ram = _RAM_PAGES if ram is None else ram
    machine["totalram_pages"] = ram
    machine["nodes"] = [{"present_pages": ram}] if nodes is None else nodes
    return machine


class _Names:
    """Looks after the names of a world: each is given once, each used one is given."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.memcgs: set[str] = set()
        self.mms: set[str] = set()
        self.pids: set[int] = set()
        self.nodes = len(world["machine"]["nodes"])

    def check(self) -> None:
        """Refuse the world at its first name that is wrong."""
        for index, memcg in enumerate(self.world["memcgs"]):
            self._memcg(memcg, pointer("/memcgs", index))
        for index, mm in enumerate(self.world["mms"]):
            if mm["vmas"] or mm["id"] in self.mms:
                self._mm(mm, pointer("/mms", index))
            self.mms.add(mm["id"])
        self._tasks()
        current = self.world["current"]
        if current is not None:
            self._known(current, self.pids, "pid", "/current")
        for index, call in enumerate(self.world["calls"]):
            self._call(call, pointer("/calls", index))

    def _memcg(self, memcg: Memcg, where: str) -> None:
        name, parent = memcg["id"], memcg["parent"]
        _fresh(name, self.memcgs, pointer(where, "id"))
        if name in (".", ".."):
            raise Refused(pointer(where, "id"), f"no cgroup can be called {name!r}")
        if parent is not None and (parent == name or parent not in self.memcgs):
            what = f"no cgroup {parent!r} stands before this one: parents come first"
            raise Refused(pointer(where, "parent"), what)
        self.memcgs.add(name)

    def _mm(self, mm: Mm, where: str) -> None:
        _fresh(mm["id"], self.mms, pointer(where, "id"))
        _check_vmas(mm["vmas"], self.world["page_size"], pointer(where, "vmas"))

    def _tasks(self) -> None:
        pids = self.pids
        memcgs, mms = {None, *self.memcgs}, {None, *self.mms}
        leaders: set[int] = set()
        for index, task in enumerate(self.world["tasks"]):
            pid, tgid = task["pid"], task["tgid"]
            if (
                pid in pids
                or (tgid != pid and tgid not in leaders)
                or task["mm"] not in mms
                or task["oom_mm"] not in mms
                or task["memcg"] not in memcgs
            ):
                self._refuse_task(task, leaders, pointer("/tasks", index))
            pids.add(pid)
            if tgid == pid:
                leaders.add(pid)
        for index, task in enumerate(self.world["tasks"]):
            if not _LATER.isdisjoint(task):
                self._task_later(task, pointer("/tasks", index))

    def _refuse_task(self, task: Task, leaders: set[int], where: str) -> None:
        _fresh(task["pid"], self.pids, pointer(where, "pid"))
        if task["tgid"] != task["pid"] and task["tgid"] not in leaders:
            what = f"no leader {task['tgid']} stands before this thread: leaders come "
            raise Refused(pointer(where, "tgid"), what + "first")
        self._known(task["mm"], self.mms, "mm", pointer(where, "mm"))
        self._known(task["oom_mm"], self.mms, "mm", pointer(where, "oom_mm"))
        self._known(task["memcg"], self.memcgs, "memcg", pointer(where, "memcg"))

    def _task_later(self, task: Task, where: str) -> None:
        """Check what may refer to tasks further down, and the rare keys."""
        parent = task["vfork_parent"]
        if parent is not None:
            self._known(parent, self.pids, "pid", pointer(where, "vfork_parent"))
            if parent == task["pid"]:
                what = "a task cannot be its own parent"
                raise Refused(pointer(where, "vfork_parent"), what)
        if task["mems_allowed"] is not None:
            self._nodes(task["mems_allowed"], pointer(where, "mems_allowed"))
        if task["mempolicy_nodes"] is not None:
            self._nodes(task["mempolicy_nodes"], pointer(where, "mempolicy_nodes"))

    def _call(self, call: Call, where: str) -> None:
        self._known(call.get("pid"), self.pids, "pid", pointer(where, "pid"))
        self._known(call.get("mm"), self.mms, "mm", pointer(where, "mm"))
        self._known(call.get("memcg"), self.memcgs, "memcg", pointer(where, "memcg"))
        self._nodes(call.get("nodemask") or [], pointer(where, "nodemask"))

    def _nodes(self, nodes: Iterable[int], where: str) -> None:
        for index, node in enumerate(nodes):
            if node >= self.nodes:
                what = f"there is no node {node}: the last one is {self.nodes - 1}"
                raise Refused(pointer(where, index), what)

    def _known(
        self, name: str | int | None, known: set[str] | set[int], kind: str, where: str
    ) -> None:
        if name is not None and name not in known:
            raise Refused(where, f"there is no {kind} {name!r} in this world")


def _fresh(name: str | int, taken: set[str] | set[int], where: str) -> None:
    if name in taken:
        raise Refused(where, f"{name!r} is taken: each may stand once")


def _check_vmas(vmas: list[Vma], page_size: int, where: str) -> None:
    """Refuse mappings that are empty, cut a page, or lie on top of each other."""
    for index, vma in enumerate(vmas):
        for key, address in (("start", vma["start"]), ("end", vma["end"])):
            if address % page_size:
                what = f"this is no multiple of the page size {page_size}"
                raise Refused(pointer(where, index, key), what)
        if vma["end"] <= vma["start"]:
            raise Refused(pointer(where, index, "end"), "this mapping is empty")
    order = sorted(range(len(vmas)), key=lambda index: vmas[index]["start"])
    for index, above in pairwise(order):
        if vmas[above]["start"] < vmas[index]["end"]:
            later = max(index, above)
            what = f"this mapping overlaps mapping {min(index, above)}"
            raise Refused(pointer(where, later), what)

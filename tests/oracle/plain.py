# SPDX-License-Identifier: GPL-2.0-only
"""The rules of the OOM killer over a world's plain numbers, without any kernel."""

from __future__ import annotations

from typing import Any

LONG_MIN = "LONG_MIN"
SIGNAL_MAX = (1 << 63) - 1


class Plain:
    """A world, looked at; tasks and address spaces are dicts as they stand there."""

    def __init__(self, world: dict[str, Any]) -> None:
        self.tasks = {t["pid"]: t for t in world["tasks"]}
        self.mms = {m["id"]: m for m in world["mms"]}
        self.page_size = world.get("page_size", 4096)
        self.newest = world.get("kernel", "7.2") == "7.2"

    def tgid(self, task: dict[str, Any]) -> int:
        number: int = task.get("tgid", task["pid"])
        return number

    def group(self, task: dict[str, Any]) -> list[dict[str, Any]]:
        return [t for t in self.tasks.values() if self.tgid(t) == self.tgid(task)]

    def signal(self, task: dict[str, Any], key: str, default: Any = None) -> Any:
        return self.group(task)[0].get(key, default)

    def find_mm(self, pid: int) -> dict[str, Any] | None:
        """Return the first thread of the group that shows an address space."""
        members = self.group(self.tasks[pid])
        return next((t for t in members if t.get("mm")), None)

    def unkillable(self, task: dict[str, Any]) -> bool:
        return self.tgid(task) == 1 or "PF_KTHREAD" in task.get("flags", [])

    def in_vfork(self, task: dict[str, Any]) -> bool:
        parent = self.tasks.get(task.get("vfork_parent", 0))
        return parent is not None and parent.get("mm") == task["mm"]

    def badness(self, pid: int, totalpages: int) -> int | str:
        task = self.tasks[pid]
        found = self.find_mm(pid)
        if self.unkillable(task) or found is None:
            return LONG_MIN
        adj = self.signal(task, "oom_score_adj", 0)
        mm = self.mms[found["mm"]]
        skip = "MMF_OOM_SKIP" in mm.get("flags", [])
        if adj == -1000 or skip or self.in_vfork(found):
            return LONG_MIN
        pages = sum(mm.get(key, 0) for key in ("file", "anon", "shmem", "swap"))
        pages += mm.get("pgtables_bytes", 0) // self.page_size
        points: int = pages + adj * (totalpages // 1000)
        return points

    def dies(self, task: dict[str, Any]) -> bool:
        """Tell whether *task* is on its way out, and will not dump its core."""
        if self.signal(task, "core_dump"):
            return False
        if self.signal(task, "group_exit"):
            return True
        alone = len(self.group(task)) == 1
        return alone and "PF_EXITING" in task.get("flags", [])

    def will_free(self, pid: int) -> bool:
        task = self.tasks[pid]
        if not task.get("mm") or not self.dies(task):
            return False
        mm = self.mms[task["mm"]]
        if "MMF_OOM_SKIP" in mm.get("flags", []):
            return False
        users = [t for t in self.tasks.values() if t.get("mm") == mm["id"]]
        if mm.get("mm_users", len(users)) <= 1:
            return True
        return all(
            self.dies(leader)
            for leader in self.tasks.values()
            if leader["pid"] == self.tgid(leader) != self.tgid(task)
            and self.shares(leader["pid"], mm["id"])
        )

    def shares(self, pid: int, mm: str) -> bool:
        found = self.find_mm(pid)
        return found is not None and found["mm"] == mm

    def choose(self, totalpages: int) -> int | None:
        """Walk the processes; None if nobody can go, -1 if somebody is going."""
        chosen, best = None, -SIGNAL_MAX
        leaders = [t for t in self.tasks.values() if t["pid"] == self.tgid(t)]
        for task in leaders:
            if self.unkillable(task):
                continue
            going = self.signal(task, "oom_mm")
            if going:
                if "MMF_OOM_SKIP" in self.mms[going].get("flags", []):
                    continue
                return -1
            points = self.badness(task["pid"], totalpages)
            if self.signal(task, "oom_origin"):
                points = SIGNAL_MAX
            if isinstance(points, int) and points >= best:
                chosen, best = task["pid"], points
        return chosen

# SPDX-License-Identifier: GPL-2.0-only
"""Rebuild the machine that a report shows, as far as it shows one.

Two things a report does not print matter: a task's capabilities, and the swap
space of the whole machine when a memory cgroup runs out. The first is assumed
from the user id, the second becomes a range (:class:`Domain`), and the judge
says so wherever an answer depends on either.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve, frozen

from .model import Memory, OomReport, TaskRow, Usage

__all__ = ["Domain", "RebuiltTask", "RebuiltWorld", "node_list", "rebuild"]


@frozen
class Domain:
    """The memory a selection is about: ``totalpages`` and where it comes from.

    *low* and *high* bound what ``totalpages`` can have been; *high* is None when
    the report sets no bound. *totalpages* is the best guess in between.
    """

    constraint: str
    totalpages: int
    low: int
    high: int | None
    source: str
    ram: int = 0
    swap: int = 0
    memcg_max: int | None = None
    nodes: tuple[tuple[int, int], ...] = ()

    @property
    def exact(self) -> bool:
        """Tell whether the report leaves no choice."""
        return self.low == self.high


@frozen
class RebuiltTask:
    """One candidate: what the table says of it, in the kernel's own units."""

    index: int
    pid: int
    tgid: int
    uid: int
    comm: str
    oom_score_adj: int
    total_vm: int
    rss: int
    anon: int
    file: int
    shmem: int
    swapents: int
    pgtables_bytes: int
    pgtable_pages: int
    cap_sys_admin: bool
    oom_victim: bool = False
    mm_oom_skip: bool = False

    @property
    def used(self) -> int:
        """Resident, swapped and page-table pages together."""
        return self.rss + self.swapents + self.pgtable_pages

    @property
    def same_mm_key(self) -> tuple[int, int, int, int]:
        """Numbers that two users of one address space have in common."""
        return (self.total_vm, self.rss, self.swapents, self.pgtable_pages)


@frozen
class RebuiltWorld:
    """A machine at the moment of its OOM kill; tasks stand in scan order."""

    page_kib: int
    domain: Domain
    tasks: tuple[RebuiltTask, ...]
    current_pid: int | None
    gfp_mask: int
    order: int
    hides_swap: bool
    hides_pgtables: bool

    @property
    def totalpages(self) -> int:
        """What ``constrained_alloc()`` finds on this machine."""
        return self.domain.totalpages

    @property
    def is_memcg(self) -> bool:
        """Tell whether one memory cgroup ran out, not the machine."""
        return self.domain.constraint == "CONSTRAINT_MEMCG"

    def with_totalpages(self, totalpages: int) -> RebuiltWorld:
        """Return this machine with just as much more or less memory."""
        domain = self.domain
        fixed = domain.memcg_max or sum(size for _, size in domain.nodes)
        ram, swap = totalpages - domain.swap, domain.swap
        if fixed:
            ram, swap = domain.ram, totalpages - fixed
        sized = evolve(domain, totalpages=totalpages, ram=ram, swap=swap)
        return evolve(self, domain=sized)

    def without_root_capability(self) -> RebuiltWorld:
        """Return this machine with no task that has CAP_SYS_ADMIN."""
        tasks = tuple(evolve(task, cap_sys_admin=False) for task in self.tasks)
        return evolve(self, tasks=tasks)


def node_list(text: str | None) -> tuple[int, ...]:
    """Expand a printed node mask such as ``0-1,3``; nothing for ``(null)``."""
    nodes: list[int] = []
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isascii() and first.isdigit() and len(first) < 5:
            end = int(last) if last.isascii() and last.isdigit() else int(first)
            nodes += range(int(first), min(end, 4095) + 1)
    return tuple(nodes)


def rebuild(report: OomReport, dying: Collection[tuple[int, str]] = ()) -> RebuiltWorld:
    """Rebuild the machine of *report*.

    *dying* names tasks that earlier reports of the same boot killed, by number
    and name. They still being listed while the kernel went on to kill somebody
    proves that it had given up on their memory; after sysrq-f it proves nothing.
    """
    page_kib = report.page_kib
    tasks = [_task(i, row, page_kib) for i, row in enumerate(report.rows)]
    marked = [_mark(task, dying, not report.is_sysrq) for task in tasks]
    header = report.header
    columns = report.columns or ()
    return RebuiltWorld(
        page_kib=page_kib,
        domain=_domain(report),
        tasks=tuple(marked),
        current_pid=report.invoker_pid,
        gfp_mask=0 if header is None else header.gfp_mask,
        order=0 if header is None else header.order,
        hides_swap="swapents" not in columns,
        hides_pgtables=not {"nr_ptes", "pgtables_bytes"} & set(columns),
    )


def _mark(
    task: RebuiltTask, dying: Collection[tuple[int, str]], skip: bool
) -> RebuiltTask:
    if not {(task.pid, task.comm), (task.tgid, task.comm)} & set(dying):
        return task
    return evolve(task, oom_victim=True, mm_oom_skip=skip)


def _task(index: int, row: TaskRow, page_kib: int) -> RebuiltTask:
    pages = row.pgtable_pages(page_kib) or 0
    split = row.rss_anon is not None
    return RebuiltTask(
        index=index,
        pid=row.pid,
        tgid=row.tgid,
        uid=row.uid,
        comm=row.comm,
        oom_score_adj=row.oom_score_adj or 0,
        total_vm=row.total_vm,
        rss=row.rss,
        anon=(row.rss_anon or 0) if split else row.rss,
        file=row.rss_file or 0,
        shmem=row.rss_shmem or 0,
        swapents=row.swapents or 0,
        pgtables_bytes=(
            pages * page_kib * 1024
            if row.pgtables_bytes is None
            else row.pgtables_bytes
        ),
        pgtable_pages=pages,
        cap_sys_admin=row.uid == 0,
    )


def _domain(report: OomReport) -> Domain:
    memory, page_kib = report.memory, report.page_kib
    constraint = "CONSTRAINT_NONE" if report.summary is None else ""
    if report.summary is not None:
        constraint = report.summary.constraint
    if report.is_memcg:
        return _memcg_domain(report, memory, page_kib)
    if constraint in ("CONSTRAINT_MEMORY_POLICY", "CONSTRAINT_CPUSET"):
        nodes = _node_domain(report, constraint, page_kib)
        if nodes is not None:
            return nodes
    if memory.ram_pages is None:
        return _unknown_domain(report, constraint)
    ram = max(memory.ram_pages - (memory.reserved_pages or 0), 1)
    swap = (memory.swap_total_kib or 0) // page_kib
    total = ram + swap
    return Domain(
        constraint=constraint,
        totalpages=total,
        low=total,
        high=total,
        source=f"RAM {ram}, swap {swap}",
        ram=ram,
        swap=swap,
    )


def _node_domain(report: OomReport, constraint: str, page_kib: int) -> Domain | None:
    """Count the nodes that a memory policy or a cpuset allows, and all swap."""
    assert report.summary is not None, "only its summary tells of a constraint"
    by_policy = constraint == "CONSTRAINT_MEMORY_POLICY"
    wanted = node_list(
        report.summary.nodemask if by_policy else report.summary.mems_allowed
    )
    present = dict.fromkeys(wanted, 0)
    for zone in report.memory.zones:
        if zone.node in present:
            present[zone.node] += zone.present_kib // page_kib
    if not present or not all(present.values()):
        return None
    swap = (report.memory.swap_total_kib or 0) // page_kib
    total = swap + sum(present.values())
    names = ",".join(map(str, wanted))
    return Domain(
        constraint=constraint,
        totalpages=total,
        low=total,
        high=total,
        source=f"nodes {names} {total - swap}, swap {swap}",
        swap=swap,
        nodes=tuple(present.items()),
    )


def _largest(report: OomReport) -> int:
    """Find the least memory that can have held the largest task of the table."""
    return max((row.rss + (row.swapents or 0) for row in report.rows), default=1) or 1


def _unknown_domain(report: OomReport, constraint: str) -> Domain:
    low = _largest(report)
    return Domain(
        constraint=constraint,
        totalpages=low,
        low=low,
        high=None,
        source="not printed, at least its largest task",
        ram=low,
    )


def _memcg_domain(report: OomReport, memory: Memory, page_kib: int) -> Domain:
    """Bound a memory cgroup's pages: its limit, plus swap of unknown size.

    The kernel adds the swap that the group may use, but never more than the
    machine has, and cgroup v1 caps the sum at the limit for both together.
    """
    if memory.memcg is None or not memory.memcg.limited:
        return evolve(
            _unknown_domain(report, "CONSTRAINT_MEMCG"),
            source="limit not printed, at least its largest task",
        )
    limit = max(memory.memcg.limit_kib // page_kib, 1)
    high = _most(memory, limit, page_kib)
    used = _swap_used(memory, memory.memcg) // page_kib
    used = max(used, max((row.swapents or 0 for row in report.rows), default=0))
    best = limit + used if high is None else min(limit + used, high)
    return Domain(
        constraint="CONSTRAINT_MEMCG",
        totalpages=best,
        low=limit,
        high=high,
        source=f"limit {limit}, swap in use {best - limit}",
        swap=best - limit,
        memcg_max=limit,
    )


def _most(memory: Memory, limit: int, page_kib: int) -> int | None:
    both, swap = memory.memcg_memsw, memory.memcg_swap
    if both is not None and both.limited:
        return max(both.limit_kib // page_kib, limit)
    if swap is not None and swap.limited:
        return limit + swap.limit_kib // page_kib
    return None


def _swap_used(memory: Memory, usage: Usage) -> int:
    if memory.memcg_swap is not None:
        return memory.memcg_swap.usage_kib
    if memory.memcg_memsw is not None:
        return max(memory.memcg_memsw.usage_kib - usage.usage_kib, 0)
    return 0

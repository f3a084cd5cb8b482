# SPDX-License-Identifier: GPL-2.0-only
"""What one kernel OOM report says, and nothing that it does not say.

Parsing fills these values, judging reads them. They are plain facts: a number
the log does not print is ``None`` here, never a guess, so that the judge alone
decides what to assume and can say that it did.
"""

from __future__ import annotations

from attrs import frozen

__all__ = [
    "PAGE_KIB",
    "UNLIMITED_KIB",
    "Header",
    "KillLine",
    "Line",
    "Memory",
    "OomReport",
    "ScoreLine",
    "Summary",
    "TaskRow",
    "Usage",
    "Zone",
]

PAGE_KIB = 4
"""Page size in KiB where the report gives no hint of another one."""

_PAGE_SIZES = (4, 8, 16, 64, 256)

UNLIMITED_KIB = 1 << 50
"""A printed limit from here up means that no limit was set."""


@frozen
class Line:
    """One kernel message of the log, free of whatever the logger put before it."""

    number: int
    text: str
    stamp: float | None = None


@frozen
class Header:
    """The ``invoked oom-killer`` line: who ran out of memory asking for what."""

    line: int
    comm: str
    gfp_mask: int
    gfp_names: str | None
    order: int
    oom_score_adj: int | None
    nodemask: str | None
    oom_adj: int | None = None

    @property
    def is_sysrq(self) -> bool:
        """Tell whether a person asked for the kill, through sysrq-f."""
        return self.order == -1


@frozen
class Zone:
    """One zone of the memory summary."""

    node: int
    name: str
    present_kib: int
    managed_kib: int | None


@frozen
class Usage:
    """One ``usage, limit, failcnt`` line of a memory cgroup."""

    usage_kib: int
    limit_kib: int

    @property
    def limited(self) -> bool:
        """Tell whether the limit is a real one."""
        return self.limit_kib < UNLIMITED_KIB


@frozen
class Memory:
    """The memory summary of a report, global and cgroup parts together."""

    ram_pages: int | None = None
    highmem_pages: int | None = None
    reserved_pages: int | None = None
    swap_total_kib: int | None = None
    swap_free_kib: int | None = None
    zones: tuple[Zone, ...] = ()
    memcg: Usage | None = None
    memcg_swap: Usage | None = None
    memcg_memsw: Usage | None = None
    memcg_path: str | None = None
    buddy_page_kib: int | None = None

    @property
    def is_memcg(self) -> bool:
        """Tell whether the numbers are those of a memory cgroup."""
        return self.memcg is not None or self.memcg_path is not None


@frozen
class TaskRow:
    """One row of the task table; a column the kernel did not print is None."""

    line: int
    pid: int
    uid: int
    tgid: int
    total_vm: int
    rss: int
    oom_score_adj: int | None
    comm: str
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    nr_ptes: int | None = None
    nr_pmds: int | None = None
    pgtables_bytes: int | None = None
    swapents: int | None = None

    def pgtable_pages(self, page_kib: int) -> int | None:
        """Count the page-table pages the way the kernel of that table did.

        Return: None where the table shows no page tables at all.
        """
        if self.pgtables_bytes is not None:
            return self.pgtables_bytes // (page_kib * 1024)
        if self.nr_ptes is None:
            return None
        return self.nr_ptes + (self.nr_pmds or 0)


@frozen
class Summary:
    """The ``oom-kill:`` line of 5.0 and later: domain and chosen task."""

    line: int
    constraint: str
    comm: str
    pid: int
    uid: int
    nodemask: str | None = None
    cpuset: str | None = None
    mems_allowed: str | None = None
    oom_memcg: str | None = None
    task_memcg: str | None = None


@frozen
class ScoreLine:
    """The ``Kill process N score S or sacrifice child`` line, up to 5.0."""

    line: int
    why: str | None
    pid: int
    comm: str
    score: int


@frozen
class KillLine:
    """One ``Killed process`` line."""

    line: int
    why: str | None
    pid: int
    comm: str
    total_vm_kib: int | None = None
    shmem_rss_kib: int | None = None
    uid: int | None = None
    pgtables_kib: int | None = None
    oom_score_adj: int | None = None


@frozen
class OomReport:
    """One OOM kill as the log tells it, from its first line to its last."""

    line: int
    last_line: int
    boot: int = 0
    header: Header | None = None
    invoker_pid: int | None = None
    kernel: str | None = None
    memory: Memory = Memory()
    columns: tuple[str, ...] | None = None
    rows: tuple[TaskRow, ...] = ()
    tasks_state_line: bool = False
    protection_line: bool = False
    summary: Summary | None = None
    summary_cut: bool = False
    score: ScoreLine | None = None
    kills: tuple[KillLine, ...] = ()
    exiting: tuple[tuple[int, str], ...] = ()
    reaped: tuple[int, ...] = ()
    oom_group: str | None = None
    nobody: str | None = None
    panic: str | None = None
    unreadable_rows: int = 0

    @property
    def is_sysrq(self) -> bool:
        """Tell whether a person asked for the kill, through sysrq-f."""
        return self.header is not None and self.header.is_sysrq

    @property
    def is_memcg(self) -> bool:
        """Tell whether the report is about one memory cgroup.

        The constraint alone does not tell: kernels up to 5.2 printed
        ``CONSTRAINT_NONE`` for these too.
        """
        if self.summary is not None and self.summary.oom_memcg is not None:
            return True
        if self.memory.is_memcg:
            return True
        return any((line.why or "").startswith("Memory cgroup") for line in self.verb)

    @property
    def verb(self) -> tuple[KillLine | ScoreLine, ...]:
        """All lines that name a task to be killed."""
        first: tuple[ScoreLine, ...] = () if self.score is None else (self.score,)
        return (*first, *self.kills)

    @property
    def page_kib(self) -> int:
        """Page size of that machine in KiB, from the free lists or the kill line."""
        if self.memory.buddy_page_kib in _PAGE_SIZES:
            return self.memory.buddy_page_kib
        return self._page_kib_of_kill() or PAGE_KIB

    def _page_kib_of_kill(self) -> int | None:
        for kill in self.kills:
            row = self.row_of(kill.pid)
            if row is None or not row.total_vm or kill.total_vm_kib is None:
                continue
            size, rest = divmod(kill.total_vm_kib, row.total_vm)
            if rest == 0 and size in _PAGE_SIZES:
                return size
        return None

    def row_of(self, pid: int) -> TaskRow | None:
        """Find the row of a task by the number of its thread or of its process."""
        for row in self.rows:
            if row.pid == pid:
                return row
        return next((row for row in self.rows if row.tgid == pid), None)

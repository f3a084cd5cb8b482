# SPDX-License-Identifier: GPL-2.0-only
"""One report under construction: the facts met so far, in any order.

The first fact wins wherever a report has room for one, because what comes later
and looks alike belongs to something else that prints at the same time.
"""

from __future__ import annotations

import re

from . import grammar
from .model import (
    Header,
    KillLine,
    Line,
    Memory,
    OomReport,
    ScoreLine,
    Summary,
    TaskRow,
    Usage,
    Zone,
)

__all__ = ["Collector"]

_NUMBERS = (
    "rss_anon",
    "rss_file",
    "rss_shmem",
    "nr_ptes",
    "nr_pmds",
    "pgtables_bytes",
    "swapents",
)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


class Collector:
    """Gathers the lines of one report; :meth:`finish` makes the report of them."""

    def __init__(self, first_line: int, release: str | None) -> None:
        self.first_line = first_line
        self.last_line = first_line
        self.release = release
        self.header: Header | None = None
        self.invoker_pid: int | None = None
        self.numbers: dict[str, int] = {}
        self.usages: dict[str, Usage] = {}
        self.zones: dict[tuple[int, str], Zone] = {}
        self.memcg_path: str | None = None
        self.columns: tuple[str, ...] | None = None
        self.rows: dict[int, TaskRow] = {}
        self.unreadable_rows = 0
        self.tasks_state = False
        self.protection = False
        self.summary: Summary | None = None
        self.pending_summary = ""
        self.score: ScoreLine | None = None
        self.kills: list[KillLine] = []
        self.exiting: list[tuple[int, str]] = []
        self.reaped: list[int] = []
        self.oom_group: str | None = None
        self.nobody: str | None = None
        self.panic: str | None = None

    @property
    def started(self) -> bool:
        """Tell whether there is a report at all."""
        return self.header is not None or self.columns is not None

    @property
    def in_head(self) -> bool:
        """Tell whether the memory summary may still come."""
        return self.header is not None and self.columns is None and not self.kills

    def _touch(self, line: Line) -> None:
        self.first_line = self.first_line or line.number
        self.last_line = line.number

    def take_header(self, line: Line, found: re.Match[str]) -> None:
        """Note who invoked the killer."""
        self._touch(line)
        self.header = Header(
            line=line.number,
            comm=found["comm"],
            gfp_mask=int(found["gfp"], 16),
            gfp_names=found["names"],
            order=int(found["order"]),
            oom_score_adj=_number(found["adj"]),
            nodemask=found["nodemask"],
            oom_adj=_number(found["oom_adj"]),
        )

    def take_cpu(self, line: Line, found: re.Match[str]) -> None:
        """Note the invoker's number and the kernel's version."""
        if self.header is None or self.columns is not None or self.invoker_pid:
            return
        self._touch(line)
        self.invoker_pid = int(found["pid"])
        release = grammar.RELEASE.search(line.text, found.end())
        if release is not None:
            self.release = release["release"]

    def take_pages(self, line: Line, found: re.Match[str]) -> None:
        """Note a page count of the memory summary."""
        self._touch(line)
        self.numbers.setdefault(found["what"], int(found["pages"]))

    def take_swap(self, line: Line, found: re.Match[str]) -> None:
        """Note the size or the free part of the swap space."""
        self._touch(line)
        self.numbers.setdefault(found["what"], int(found["kib"]))

    def take_zone(self, line: Line, found: re.Match[str]) -> None:
        """Note a zone; its node is 0 on a kernel that knows no nodes."""
        self._touch(line)
        zone = Zone(
            node=int(found["node"] or 0),
            name=found["name"],
            present_kib=int(found["present"]),
            managed_kib=_number(found["managed"]),
        )
        self.zones.setdefault((zone.node, zone.name), zone)

    def take_buddy(self, line: Line, found: re.Match[str]) -> None:
        """Note the page size: free lists begin with blocks of one page."""
        self._touch(line)
        self.numbers.setdefault("page", int(found["kib"]))

    def take_memcg(self, line: Line, what: str, usage: Usage) -> None:
        """Note usage and limit of the memory cgroup."""
        self._touch(line)
        self.usages.setdefault(what, usage)

    def take_memcg_path(self, line: Line, found: re.Match[str]) -> None:
        """Note which memory cgroup ran out."""
        self._touch(line)
        self.memcg_path = self.memcg_path or found["path"]

    def take_protection(self, line: Line, _found: re.Match[str]) -> None:
        """Note the line that only kernels since 6.19 print."""
        self._touch(line)
        self.protection = True

    def take_tasks_state(self, line: Line, _found: re.Match[str]) -> None:
        """Note the line above the table that kernels since 4.19 print."""
        self._touch(line)
        self.tasks_state = True

    def take_table(self, line: Line, found: re.Match[str]) -> None:
        """Learn the columns of the task table."""
        self._touch(line)
        self.columns = tuple(found["columns"].split())

    def take_row(self, line: Line) -> bool:
        """Take a row of the task table; a second row of one task is a copy."""
        if self.columns is None or not line.text.startswith("["):
            return False
        found = grammar.row_pattern(len(self.columns)).match(line.text)
        if found is None:
            self.unreadable_rows += bool(re.match(r"\[\s*\d+\]", line.text))
            return False
        self._touch(line)
        row = _row(line.number, self.columns, found)
        self.rows.setdefault(row.pid, row)
        return True

    def take_summary(self, line: Line) -> bool:
        """Take the ``oom-kill:`` line, or its first piece."""
        if not self.started or not line.text.startswith(grammar.SUMMARY_START):
            return False
        self._touch(line)
        self._complete_summary(line, line.text)
        return True

    def continues_summary(self, line: Line) -> bool:
        """Take a further piece of an ``oom-kill:`` line that was torn apart."""
        if not self.pending_summary or not line.text.startswith(","):
            return False
        self._touch(line)
        self._complete_summary(line, self.pending_summary + line.text)
        return True

    def _complete_summary(self, line: Line, text: str) -> None:
        found = grammar.SUMMARY_END.search(text)
        if found is None:
            self.pending_summary = text
            return
        self.pending_summary = ""
        if self.summary is None:
            self.summary = _summary(line.number, text[: found.start()], found)

    def take_score(self, line: Line, found: re.Match[str]) -> None:
        """Note whom the selection chose, before a child took its place."""
        if self.started and self.score is None:
            self._touch(line)
            self.score = ScoreLine(
                line=line.number,
                why=found["why"],
                pid=int(found["pid"]),
                comm=found["comm"],
                score=int(found["score"]),
            )

    def take_kill(self, line: Line, found: re.Match[str]) -> None:
        """Note a kill."""
        self._touch(line)
        rest = grammar.KILL_REST.match(found["rest"])
        assert rest is not None, "every part of the pattern may be absent"
        self.kills.append(
            KillLine(
                line=line.number,
                why=found["why"],
                pid=int(found["pid"]),
                comm=found["comm"],
                total_vm_kib=int(found["vm"]),
                shmem_rss_kib=_number(rest["shmem"]),
                uid=_number(rest["uid"] or found["old_uid"]),
                pgtables_kib=_number(rest["pgtables"]),
                oom_score_adj=_number(rest["adj"]),
            )
        )

    def take_exiting(self, line: Line, found: re.Match[str]) -> None:
        """Note a victim that was gone before it could be killed."""
        if self.started:
            self._touch(line)
            self.exiting.append((int(found["pid"]), found["comm"]))

    def take_group(self, line: Line, found: re.Match[str]) -> None:
        """Note that a whole memory cgroup dies with the victim."""
        if self.started:
            self._touch(line)
            self.oom_group = self.oom_group or found["path"]

    def take_nobody(self, line: Line, found: re.Match[str]) -> None:
        """Note that the kernel found nobody to kill."""
        if self.started:
            self._touch(line)
            self.nobody = self.nobody or found["text"]

    def take_panic(self, line: Line, found: re.Match[str]) -> None:
        """Note that the kernel gave up."""
        if self.started:
            self._touch(line)
            self.panic = self.panic or found["text"]

    def _memory(self) -> Memory:
        number, usage = self.numbers.get, self.usages.get
        return Memory(
            ram_pages=number("RAM"),
            highmem_pages=number("HighMem"),
            reserved_pages=number("reserved"),
            swap_total_kib=number("Total"),
            swap_free_kib=number("Free"),
            zones=tuple(self.zones.values()),
            memcg=usage("memory"),
            memcg_swap=usage("swap"),
            memcg_memsw=usage("memory+swap") or usage("memsw"),
            memcg_path=self.memcg_path,
            buddy_page_kib=number("page"),
        )

    def finish(self, boot: int) -> OomReport:
        """Make the report of what was met."""
        return OomReport(
            line=self.first_line,
            last_line=self.last_line,
            boot=boot,
            header=self.header,
            invoker_pid=self.invoker_pid,
            kernel=self.release,
            memory=self._memory(),
            columns=self.columns,
            rows=tuple(self.rows.values()),
            tasks_state_line=self.tasks_state,
            protection_line=self.protection,
            summary=self.summary,
            summary_cut=bool(self.pending_summary),
            score=self.score,
            kills=tuple(self.kills),
            exiting=tuple(self.exiting),
            reaped=tuple(self.reaped),
            oom_group=self.oom_group,
            nobody=self.nobody,
            panic=self.panic,
            unreadable_rows=self.unreadable_rows,
        )


def _row(line: int, columns: tuple[str, ...], found: re.Match[str]) -> TaskRow:
    pid, *numbers, comm = found.groups()
    value = dict(zip(columns, map(int, numbers), strict=True))
    return TaskRow(
        line=line,
        pid=int(pid),
        uid=value["uid"],
        tgid=value["tgid"],
        total_vm=value["total_vm"],
        rss=value["rss"],
        oom_score_adj=value.get("oom_score_adj"),
        comm=comm or "",
        **{name: value[name] for name in _NUMBERS if name in value},
    )


def _pieces(head: str) -> dict[str, str]:
    """Cut the line at its keys; each key is looked for behind the one before."""
    places: list[tuple[int, str]] = []
    start = 0
    for key in grammar.SUMMARY_KEYS:
        place = head.find(key, start)
        if place >= 0:
            places.append((place, key))
            start = place + len(key)
    ends = [place for place, _ in places[1:]] + [len(head)]
    return {
        key: head[place + len(key) : end]
        for (place, key), end in zip(places, ends, strict=True)
    }


def _summary(line: int, head: str, found: re.Match[str]) -> Summary:
    piece = _pieces(head)
    return Summary(
        line=line,
        constraint=piece[grammar.SUMMARY_START],
        comm=found["comm"],
        pid=int(found["pid"]),
        uid=int(found["uid"]),
        nodemask=piece.get(",nodemask="),
        cpuset=piece.get(",cpuset="),
        mems_allowed=piece.get(",mems_allowed="),
        oom_memcg=piece.get(",oom_memcg="),
        task_memcg=piece.get(",task_memcg="),
    )

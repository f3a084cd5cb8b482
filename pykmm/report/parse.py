# SPDX-License-Identifier: GPL-2.0-only
"""Turn the messages of a log into the OOM reports they hold.

A report is not a block of text: other processors print in between, logs start
in the middle, rate limiting drops the table and keeps the kill. So this is a
collector that is fed line by line and knows only what may not follow what: a
second header, a second table or a second memory summary begins the next report.
Judging is done elsewhere; nothing here looks at what a number means.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from . import grammar
from .collect import Collector
from .lines import read_lines
from .model import Line, OomReport, Usage

__all__ = ["Findings", "parse"]

_JITTER = 1.0
"""Seconds by which the stamps of two processors may disagree within one boot."""


class Findings:
    """What a log holds: the reports, and traces of reports that are not whole."""

    def __init__(self) -> None:
        self.lines = 0
        self.stray_kills = 0
        self.stray_rows = 0
        self._boot = 0
        self._release: str | None = None
        self._stamp = 0.0
        self._done: list[tuple[Collector, int]] = []
        self._open = Collector(0, None)

    @property
    def reports(self) -> list[OomReport]:
        """All reports in the order of the log, complete or not."""
        return [collector.finish(boot) for collector, boot in self._done]

    def feed(self, line: Line) -> None:
        """Take one message in."""
        if line.text:
            self.lines += 1
        self._watch_clock(line)
        if self._open.continues_summary(line):
            return
        for pattern, handle in _STARTERS:
            found = pattern.match(line.text)
            if found is not None:
                handle(self, line, found)
                return
        for pattern, take in _FACTS:
            found = pattern.match(line.text)
            if found is not None:
                take(self._open, line, found)
                return
        self._feed_rest(line)

    def _watch_clock(self, line: Line) -> None:
        if line.stamp is None:
            return
        if line.stamp < self._stamp - _JITTER:
            self.close()
            self._boot += 1
        self._stamp = line.stamp

    def _feed_rest(self, line: Line) -> None:
        if self._open.take_row(line) or self._open.take_summary(line):
            return
        if line.text.startswith("[") and grammar.row_pattern(5).match(line.text):
            self.stray_rows += 1

    def next(self, line: Line) -> Collector:
        """End the report at hand and begin another at *line*."""
        self.close()
        self._open = Collector(line.number, self._release)
        return self._open

    def close(self) -> None:
        """End the report at hand, if there is one."""
        if self._open.started:
            self._done.append((self._open, self._boot))
        self._open = Collector(0, self._release)

    def _owner(self, pid: int) -> Collector | None:
        """Find the report that a line about *pid* belongs to.

        A victim often fails an allocation while it dies; that prints a memory
        summary, after which its own report still goes on.
        """
        if self._open.started:
            return self._open
        last = self._done[-1][0] if self._done else None
        return last if last is not None and pid in last.rows else None

    def start_header(self, line: Line, found: re.Match[str]) -> None:
        """Begin a report at its first line."""
        self.next(line).take_header(line, found)

    def start_table(self, line: Line, found: re.Match[str]) -> None:
        """Meet a table head: it begins a report unless one waits for its table."""
        here = self.next(line) if self._open.columns is not None else self._open
        here.take_table(line, found)

    def start_memory(self, line: Line, _found: re.Match[str]) -> None:
        """Meet a memory summary: it begins a report if the table is behind us."""
        if not self._open.in_head:
            self.next(line)

    def start_memcg(self, line: Line, found: re.Match[str]) -> None:
        """Meet the first number of a memory cgroup, which begins a summary too."""
        if found["what"] == "memory":
            self.start_memory(line, found)
        usage = Usage(int(found["usage"]), int(found["limit"]))
        self._open.take_memcg(line, found["what"], usage)

    def start_boot(self, line: Line, found: re.Match[str]) -> None:
        """Meet the banner of a booting kernel: earlier victims mean nothing now."""
        self._release = found["release"]
        self.next(line)
        self._boot += 1

    def take_kill(self, line: Line, found: re.Match[str]) -> None:
        """Meet a kill line; without a report it came from a rate-limited one."""
        owner = self._owner(int(found["pid"]))
        if owner is not None:
            owner.take_kill(line, found)
        else:
            self.stray_kills += 1

    def take_reaped(self, _line: Line, found: re.Match[str]) -> None:
        """Meet a word from the reaper, up to seconds after the kill."""
        pid = int(found["pid"] or found["unable"])
        owner = self._owner(pid)
        if owner is not None:
            owner.reaped.append(pid)


_Starter = Callable[[Findings, Line, "re.Match[str]"], None]
_Fact = Callable[[Collector, Line, "re.Match[str]"], None]

_STARTERS: tuple[tuple[re.Pattern[str], _Starter], ...] = (
    (grammar.INVOKED, Findings.start_header),
    (grammar.TABLE, Findings.start_table),
    (grammar.MEM_INFO, Findings.start_memory),
    (grammar.ALLOCATION_FAILURE, Findings.start_memory),
    (grammar.MEMCG_USAGE, Findings.start_memcg),
    (grammar.BANNER, Findings.start_boot),
    (grammar.KILL, Findings.take_kill),
    (grammar.REAPED, Findings.take_reaped),
)

_FACTS: tuple[tuple[re.Pattern[str], _Fact], ...] = (
    (grammar.CPU, Collector.take_cpu),
    (grammar.PAGES, Collector.take_pages),
    (grammar.SWAP, Collector.take_swap),
    (grammar.ZONE, Collector.take_zone),
    (grammar.BUDDY, Collector.take_buddy),
    (grammar.MEMCG_STATS, Collector.take_memcg_path),
    (grammar.MEMCG_TASK, Collector.take_memcg_path),
    (grammar.PROTECTION, Collector.take_protection),
    (grammar.TASKS_STATE, Collector.take_tasks_state),
    (grammar.SCORE, Collector.take_score),
    (grammar.EXITING, Collector.take_exiting),
    (grammar.GROUP, Collector.take_group),
    (grammar.NOBODY, Collector.take_nobody),
    (grammar.PANIC, Collector.take_panic),
)


def parse(text: str) -> Findings:
    """Read a whole log.

    Return: every report in the order of the log, complete or not; never raises,
        whatever the text is.
    """
    findings = Findings()
    for line in read_lines(text):
        findings.feed(line)
    findings.close()
    return findings

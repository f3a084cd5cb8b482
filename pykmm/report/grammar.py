# SPDX-License-Identifier: GPL-2.0-only
"""How the lines of a report look, in every form that kernels since 2.6.36 print.

One pattern a line, each anchored where the kernel's text is fixed. A task name
may hold spaces, parentheses, commas and equals signs, so a name is always what
is left between two anchors, never what matches a class of characters. A number
has at most 20 digits, as many as 64 bits can need.
"""

from __future__ import annotations

import re
from functools import cache

__all__ = [
    "ALLOCATION_FAILURE",
    "BANNER",
    "BUDDY",
    "CPU",
    "EXITING",
    "GROUP",
    "INVOKED",
    "KILL",
    "KILL_REST",
    "MEMCG_STATS",
    "MEMCG_TASK",
    "MEMCG_USAGE",
    "MEM_INFO",
    "NOBODY",
    "PAGES",
    "PANIC",
    "PROTECTION",
    "REAPED",
    "RELEASE",
    "SCORE",
    "SUMMARY_END",
    "SUMMARY_KEYS",
    "SUMMARY_START",
    "SWAP",
    "TABLE",
    "TASKS_STATE",
    "ZONE",
    "row_pattern",
]

INVOKED = re.compile(
    r"(?P<comm>.*) invoked oom-killer: gfp_mask=0x(?P<gfp>[0-9a-f]{1,16})"
    r"(?:\((?P<names>[^)]*)\))?"
    r"(?:, nodemask=(?P<nodemask>[^ ]*?))?"
    r",\s+order=(?P<order>-?\d{1,20})"
    r"(?:, oom_adj=(?P<oom_adj>-?\d{1,20}))?"
    r"(?:, oom_score_adj=(?P<adj>-?\d{1,20}))?"
)
CPU = re.compile(
    r"(?:CPU: \d{1,20} )?(?:UID: \d{1,20} )?P(?:ID|id): (?P<pid>\d{1,20}),? [Cc]omm: "
)
RELEASE = re.compile(r"(?P<release>\d+\.\d+\S*) #\d")
BANNER = re.compile(r"Linux version (?P<release>\d+\.\d+\S*)")

MEM_INFO = re.compile(r"Mem-Info:")
ALLOCATION_FAILURE = re.compile(r".*: page allocation (?:failure|stall)")
PAGES = re.compile(
    r"(?P<pages>\d{1,20}) pages (?:of )?"
    r"(?P<what>RAM|HighMem|reserved)(?:/MovableOnly)?\s*$"
)
SWAP = re.compile(r"(?P<what>Free|Total) swap\s*=\s*(?P<kib>\d{1,20})kB")
ZONE = re.compile(
    r"(?:Node (?P<node>\d{1,20}) )?"
    r"(?P<name>DMA|DMA32|Normal|HighMem|Movable|Device) free:"
    r".*? present:(?P<present>\d{1,20})kB(?: managed:(?P<managed>\d{1,20})kB)?"
)
BUDDY = re.compile(
    r"(?:Node \d{1,20} )?(?:DMA|DMA32|Normal|HighMem|Movable|Device): "
    r"\d+\*(?P<kib>\d{1,20})kB"
)

MEMCG_USAGE = re.compile(
    r"(?P<what>memory|swap|memory\+swap|memsw): "
    r"usage (?P<usage>\d{1,20})kB, limit (?P<limit>\d{1,20})kB"
)
MEMCG_STATS = re.compile(r"Memory cgroup stats for (?P<path>.*?):")
MEMCG_TASK = re.compile(r"Task in .* killed as a result of limit of (?P<path>.*)")
PROTECTION = re.compile(r"Memory cgroup min protection \d{1,20}kB")

TASKS_STATE = re.compile(r"Tasks state \(memory values in pages\):")
TABLE = re.compile(
    r"\[\s*pid\s*\](?P<columns>\s+uid\s+tgid\s+total_vm\s+rss(?:\s+\w+)*)\s+name\s*$"
)

SUMMARY_START = "oom-kill:constraint="
SUMMARY_KEYS = (
    "oom-kill:constraint=",
    ",nodemask=",
    ",cpuset=",
    ",mems_allowed=",
    ",oom_memcg=",
    ",global_oom",
    ",task_memcg=",
)
SUMMARY_END = re.compile(
    r",task=(?P<comm>.*?),pid=(?P<pid>\d{1,20}),uid=(?P<uid>-?\d{1,20})\s*$"
)

_WHY = (
    r"(?:(?P<why>Out of memory(?: \(oom_kill_allocating_task\))?"
    r"|Memory cgroup out of memory): )?"
)
SCORE = re.compile(
    _WHY + r"Kill process (?P<pid>\d{1,20}) \((?P<comm>.*)\)"
    r" score (?P<score>-?\d{1,20}) or sacrifice child"
)
KILL = re.compile(
    _WHY + r"Killed process (?P<pid>\d{1,20})(?:,? UID (?P<old_uid>-?\d{1,20}),?)?"
    r" \((?P<comm>.*)\),? (?:total-vm|vsz):(?P<vm>\d{1,20})kB(?P<rest>.*)"
)
KILL_REST = re.compile(
    r"(?:.*, shmem-rss:(?P<shmem>\d{1,20})kB)?"
    r"(?:.*, UID:(?P<uid>-?\d{1,20}))?(?:.* pgtables:(?P<pgtables>\d{1,20})kB)?"
    r"(?:.* oom_score_adj:(?P<adj>-?\d{1,20}))?"
)
EXITING = re.compile(
    _WHY + r"OOM victim (?P<pid>\d{1,20}) \((?P<comm>.*)\) is already exiting\."
)
REAPED = re.compile(
    r"oom_reaper: (?:reaped process (?P<pid>\d{1,20})"
    r"|unable to reap pid:(?P<unable>\d{1,20})) \("
)
GROUP = re.compile(
    r"Tasks in (?P<path>.*) are going to be killed due to memory\.oom\.group set"
)
NOBODY = re.compile(
    r"(?P<text>Out of memory and no killable processes\.\.\."
    r"|OOM request ignored\b.*)"
)
PANIC = re.compile(
    r"Kernel panic - not syncing: (?P<text>.*(?:memory|Memory|panic_on_oom).*)"
)


@cache
def row_pattern(columns: int) -> re.Pattern[str]:
    """Build the pattern of a row with *columns* numbers between pid and name.

    Columns have a minimum width only, so that numbers are told apart by the
    blanks between them, counted from the left; one blank precedes the name, and
    everything after it belongs to the name.
    """
    numbers = r"\s+(-?\d{1,20})" * columns
    return re.compile(rf"\[\s*(\d{{1,20}})\]{numbers}(?: (.*))?$")

# SPDX-License-Identifier: GPL-2.0-only
"""The words of ``/proc``: bytes of one file in, numbers out.

A task names itself with any bytes but NUL, so only the *last* bracket of ``stat``
ends its name. What cannot be understood raises :class:`ValueError` with a reason;
the caller knows which file it was.
"""

from __future__ import annotations

import re

from attrs import frozen

__all__ = [
    "Memory",
    "Stat",
    "parse_meminfo",
    "parse_number",
    "parse_release",
    "parse_stat",
    "parse_status",
]

#: Numbers of ``stat`` that its manual counts from 1, the state being the third.
_STATE, _PPID, _FLAGS, _THREADS, _START, _VSIZE, _RSS = 3, 4, 9, 20, 22, 23, 24
#: Where code, stack, data, heap, arguments and environment lie; 0 or 1, or absent,
#: for who may not know.
_LAYOUT = (26, 27, 28, 45, 46, 47, 48, 49, 50, 51)
_START_STACK = 28

_STATUS = re.compile(
    rb"^(Uid|VmSize|VmRSS|RssAnon|RssFile|RssShmem|VmPTE|VmPMD|VmSwap):[ \t]*(\d+)",
    re.MULTILINE,
)
_MEMINFO = re.compile(rb"^(MemTotal|SwapTotal):[ \t]*(\d+) kB$", re.MULTILINE)
_RELEASE = re.compile(r"(\d+)\.(\d+)")


@frozen
class Stat:
    """What ``stat`` says of a process. *rss* is in pages, *vsize* in bytes."""

    comm: str
    state: str
    ppid: int
    flags: int
    threads: int
    start: int
    vsize: int
    rss: int
    #: Empty where the reader may not know.
    layout: tuple[int, ...]


@frozen
class Memory:
    """What ``status`` says of an address space, in kB, the tables included."""

    size: int
    anon: int
    file: int
    shmem: int
    swap: int
    tables: int


def parse_stat(raw: bytes) -> Stat:
    """Read ``/proc/PID/stat``."""
    opening, closing = raw.find(b"("), raw.rfind(b")")
    fields = raw[closing + 1 :].split()
    if not 0 < opening < closing or len(fields) <= _RSS - _STATE:
        raise ValueError("it has no name in brackets with 22 fields behind it")

    def number(field: int) -> int:
        return parse_number(fields[field - _STATE])

    layout: tuple[int, ...] = ()
    if len(fields) > _LAYOUT[-1] - _STATE and number(_START_STACK):
        layout = tuple(map(number, _LAYOUT))
    return Stat(
        comm=raw[opening + 1 : closing].decode("utf-8", "surrogateescape"),
        state=fields[0].decode("ascii", "replace"),
        ppid=number(_PPID),
        flags=number(_FLAGS),
        threads=number(_THREADS),
        start=number(_START),
        vsize=number(_VSIZE),
        rss=number(_RSS),
        layout=layout,
    )


def parse_status(raw: bytes) -> tuple[int, Memory | None]:
    """Read ``/proc/PID/status``: the real user id, and the address space if any."""
    found = {key: int(value) for key, value in _STATUS.findall(raw)}
    if b"Uid" not in found:
        raise ValueError("it has no line Uid:")
    if b"VmSize" not in found:
        return found[b"Uid"], None
    split = b"RssAnon" in found  # before 4.5 only the sum was shown
    memory = Memory(
        size=found[b"VmSize"],
        anon=found[b"RssAnon"] if split else found.get(b"VmRSS", 0),
        file=found.get(b"RssFile", 0),
        shmem=found.get(b"RssShmem", 0),
        swap=found.get(b"VmSwap", 0),
        tables=found.get(b"VmPTE", 0) + found.get(b"VmPMD", 0),
    )
    return found[b"Uid"], memory


def parse_meminfo(raw: bytes) -> tuple[int, int]:
    """Read ``/proc/meminfo``: all memory and all swap space, in kB."""
    found = {key: int(value) for key, value in _MEMINFO.findall(raw)}
    if not found.get(b"MemTotal"):
        raise ValueError("it has no line MemTotal: with a number of kB above 0")
    return found[b"MemTotal"], found.get(b"SwapTotal", 0)


def parse_number(raw: bytes) -> int:
    """Read a file that holds one number."""
    try:
        return int(raw)
    except ValueError:
        shown = raw[:20].decode("utf-8", "backslashreplace").strip()
        raise ValueError(f"it holds {shown!r}, not a number") from None


def parse_release(release: str) -> tuple[int, int] | None:
    """Return the first two numbers of a kernel's *release*, if it begins so."""
    match = _RELEASE.match(release)
    return None if match is None else (int(match[1]), int(match[2]))

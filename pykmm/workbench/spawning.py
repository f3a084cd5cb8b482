# SPDX-License-Identifier: GPL-2.0-only
"""What can be said of a process that is to be spawned, and what cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..boot import Region
from ..errors import UsageError, check_is, check_whole
from ..linux.memcontrol import mem_cgroup

__all__ = ["check_spawned", "parse_size", "sized"]

_SIZE = re.compile(r"(\d+)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(argument: str, value: int | str) -> int:
    """Read a size in bytes: a number, or text such as ``64M``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise UsageError(
            f"{argument}={value!r} is no size: write bytes as a number, or text such "
            "as '64K', '16M' or '2G'"
        )
    return int(match[1]) * _UNITS[match[2].upper()]


def sized(*, swap: int | str, **sizes: int | str) -> Iterator[Region]:
    """Yield a region for each size that is not 0: one by kind, and one in *swap*."""
    for kind, text in sizes.items():
        size = parse_size(kind, text)
        if size:
            yield Region(kind, size)
    size = parse_size("swap", swap)
    if size:
        yield Region("anon", size, swapped=size)


def check_spawned(
    name: object,
    *,
    regions: Sequence[object],
    threads: object,
    uid: object,
    oom_score_adj: object,
    pid: object,
    memcg: object,
) -> None:
    """Refuse what no process can be, before anything is made of it."""
    if not isinstance(name, str) or name.split() != [name] or "*" in name:
        raise UsageError(f"spawn(): name={name!r} must hold no spaces and no '*'")
    check_is("spawn(): regions", regions, Sequence, "a list of Region()s")
    for region in regions:
        check_is("spawn(): one of regions", region, Region, "a Region()")
    check_whole("spawn(): threads", threads)
    check_whole("spawn(): uid", uid, least=0)
    check_whole("spawn(): pid", pid, least=0)
    whole = isinstance(oom_score_adj, int) and not isinstance(oom_score_adj, bool)
    if not whole or not -1000 <= oom_score_adj <= 1000:  # type: ignore[operator]
        raise UsageError(
            f"spawn(): oom_score_adj={oom_score_adj!r} must be -1000 to 1000"
        )
    check_is("spawn(): memcg", memcg, mem_cgroup | None, "a cgroup")

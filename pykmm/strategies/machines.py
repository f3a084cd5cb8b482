# SPDX-License-Identifier: GPL-2.0-only
"""Machines with processes on them, as values: they print, and they shrink.

A :class:`Setting` says what there is; :meth:`Setting.build` puts it on a machine.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import field, frozen
from hypothesis import strategies as st

from ..boot import Region
from ..engine.config import Config
from ..workbench import Machine, Process

__all__ = [
    "Group",
    "Member",
    "Setting",
    "address_spaces",
    "configs",
    "machines",
    "process_trees",
]

_PAGE: Final = 4096
#: Where a huge page can begin; what is mapped begins there, and ends before the next.
_UNIT: Final = 1 << 21
_FIRST: Final = 1 << 30

_adj: Final = st.sampled_from((0, 0, 0, 300, 1000, -999, -1000))
_small: Final = st.integers(1, 16)


@frozen
class Group:
    """A memory cgroup: below which other one, and how many pages it may have."""

    parent: int | None = None
    max_pages: int | None = None
    oom_group: bool = False


@frozen
class Member:
    """A process of a tree; others are named by their place in the tree."""

    regions: tuple[Region, ...] = ()
    parent: int | None = None
    #: Whose address space it uses.
    shares: int | None = None
    threads: int = 1
    uid: int = 0
    oom_score_adj: int = 0
    group: int | None = None


@frozen
class Setting:
    """A machine: its facts, its cgroups, and its processes."""

    config: Config = field(factory=Config)
    groups: tuple[Group, ...] = ()
    members: tuple[Member, ...] = ()

    def build(self, machine: Machine) -> list[Process]:
        """Make the cgroups and processes on *machine*, which is booted, and return
        the processes.
        """
        groups: list[Any] = []
        for number, group in enumerate(self.groups):
            limit = group.max_pages
            groups.append(
                machine.cgroup(
                    f"g{number}",
                    parent=None if group.parent is None else groups[group.parent],
                    memory_max=None if limit is None else limit * _PAGE,
                    oom_group=group.oom_group,
                )
            )
        made: list[Process] = []
        for number, member in enumerate(self.members):
            made.append(
                machine.spawn(
                    f"p{number}",
                    regions=member.regions,
                    parent=None if member.parent is None else made[member.parent],
                    shares_mm=None if member.shares is None else made[member.shares],
                    threads=member.threads,
                    uid=member.uid,
                    oom_score_adj=member.oom_score_adj,
                    memcg=None if member.group is None else groups[member.group],
                )
            )
        return made


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Draw a machine's facts.

    It has one node of 16 MiB in half, two or three of 4 to 64 MiB in the rest; swap
    in half; each of ``vm.panic_on_oom`` and ``vm.oom_kill_allocating_task`` is set in
    one of eight, and ``vm.oom_dump_tasks`` cleared in one of four.
    """
    nodes: tuple[int, ...] = (4096,)
    if draw(st.booleans()):
        sizes = st.sampled_from((4096, 1024, 16384))
        nodes = tuple(draw(st.lists(sizes, min_size=2, max_size=3)))
    return Config(
        node_pages=nodes,
        total_swap_pages=draw(st.integers(1, 4096)) if draw(st.booleans()) else 0,
        panic_on_oom=draw(st.integers(1, 2)) if draw(st.integers(1, 8)) == 8 else 0,
        oom_kill_allocating_task=int(draw(st.integers(1, 8)) == 8),
        oom_dump_tasks=int(draw(st.integers(1, 4)) != 4),
    )


@st.composite
def _region(draw: st.DrawFn, start: int, swap: bool) -> Region:
    kind = draw(st.sampled_from(("anon", "anon", "anon", "file", "shmem", "pfnmap")))
    pages = draw(_small)
    present = draw(st.integers(0, pages))
    swapped = 0
    if kind == "anon" and swap and draw(st.booleans()):
        swapped = draw(st.integers(0, pages - present))
    return Region(
        kind,
        pages * _PAGE,
        shared=kind == "shmem" or (kind == "file" and draw(st.booleans())),
        populated=0 if kind == "pfnmap" else present * _PAGE,
        swapped=swapped * _PAGE,
        start=start,
    )


@st.composite
def address_spaces(
    draw: st.DrawFn, *, regions: int = 4, swap: bool = False
) -> tuple[Region, ...]:
    """Draw up to *regions* mappings of 1 to 16 pages, none on top of another.

    Half are anonymous, the others of a file, of shared memory, or of a device, which
    has no pages; all others have any number of pages present from the start. With
    *swap* half of the anonymous ones have some of the rest swapped out. Between two
    of them is no gap of page tables in half, one of some in the rest.
    """
    found, at = [], _FIRST
    for _ in range(draw(st.integers(0, regions))):
        at += _UNIT * draw(st.sampled_from((0, 0, 1, 512)))
        found.append(draw(_region(at, swap)))
        at += _UNIT
    return tuple(found)


@st.composite
def process_trees(
    draw: st.DrawFn, *, processes: int = 4, groups: int = 0, swap: bool = False
) -> tuple[Member, ...]:
    """Draw 1 to *processes* processes.

    Half are children of an earlier one, the others of init. One of four shares an
    earlier one's address space, the others have their own; one of four has 2 or 3
    threads, one of four is not root's, ``oom_score_adj`` is 0 in three of seven. In
    half it is in one of *groups* cgroups, if there are any.
    """
    members: list[Member] = []
    for number in range(draw(st.integers(1, processes))):
        earlier = st.integers(0, number - 1)
        shares = bool(number) and draw(st.integers(1, 4)) == 4
        members.append(
            Member(
                regions=() if shares else draw(address_spaces(swap=swap)),
                parent=draw(earlier) if number and draw(st.booleans()) else None,
                shares=draw(earlier) if shares else None,
                threads=draw(st.integers(2, 3)) if draw(st.integers(1, 4)) == 4 else 1,
                uid=1000 if draw(st.integers(1, 4)) == 4 else 0,
                oom_score_adj=draw(_adj),
                group=draw(st.integers(0, groups - 1))
                if groups and draw(st.booleans())
                else None,
            )
        )
    return tuple(members)


@st.composite
def machines(draw: st.DrawFn, *, processes: int = 4) -> Setting:
    """Draw a machine with up to two cgroups and 1 to *processes* processes.

    A cgroup has a limit, of 1 to 64 pages, in half, and dies as a whole in one of
    four; the second is below the first in half. For the rest see :func:`configs` and
    :func:`process_trees`.
    """
    config = draw(configs())
    groups: list[Group] = []
    for number in range(draw(st.integers(0, 2))):
        groups.append(
            Group(
                parent=0 if number and draw(st.booleans()) else None,
                max_pages=draw(st.integers(1, 64)) if draw(st.booleans()) else None,
                oom_group=draw(st.integers(1, 4)) == 4,
            )
        )
    members = draw(
        process_trees(
            processes=processes,
            groups=len(groups),
            swap=bool(config.total_swap_pages),
        )
    )
    return Setting(config, tuple(groups), members)

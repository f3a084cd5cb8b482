# SPDX-License-Identifier: GPL-2.0-only
"""Trees of processes as values, to be spawned in one go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from ..errors import check_is

if TYPE_CHECKING:
    from ..boot import Region
    from ..linux.memcontrol import mem_cgroup
    from .machine import Machine
    from .process import Process

__all__ = ["Facts", "Tree", "plant"]


class Facts(TypedDict, total=False):
    """What a process is spawned with; as the arguments of ``Machine.spawn()``."""

    anon: int | str
    file: int | str
    shmem: int | str
    regions: Sequence[Region]
    swap: int | str
    threads: int
    uid: int
    oom_score_adj: int
    shares_mm: Process | bool | None
    pid: int
    memcg: mem_cgroup | None


class Tree:
    """A process that is to be spawned, and its children.

    >>> Tree("shell", Tree("app", anon="64K"), Tree("lmkd"))
    Tree('shell', Tree('app', anon='64K'), Tree('lmkd'))
    """

    def __init__(self, name: str, *children: Tree, **facts: Unpack[Facts]) -> None:
        self.name = name
        self.children = children
        self.facts = facts

    def __repr__(self) -> str:
        facts = (f"{name}={value!r}" for name, value in self.facts.items())
        return (
            f"Tree({', '.join((repr(self.name), *map(repr, self.children), *facts))})"
        )


def plant(machine: Machine, tree: Tree, parent: Process | None) -> Iterator[Process]:
    """Spawn the processes of *tree*, each before its children, and yield them."""
    check_is("spawn_tree(): tree or child", tree, Tree, "a Tree()")
    process = machine.spawn(tree.name, parent=parent, **tree.facts)
    yield process
    for child in tree.children:
        yield from plant(machine, child, process)

# SPDX-License-Identifier: GPL-2.0-only
"""Allocating where the policy says — part of ``mm/mempolicy.c``."""

from __future__ import annotations

from ..engine.annotate import mirrors
from ..linux.sched import current
from ..linux.uapi import MPOL_BIND
from .page_alloc import Pages, __alloc_pages

__all__ = ["alloc_pages"]


@mirrors(
    "mm/mempolicy.c", checked="v7.2", abridged="a policy that does not bind is none"
)
def alloc_pages(
    gfp: int, order: int, *, preferred_nid: int = 0, want: int = 1
) -> Pages | None:
    """Allocate as ``__alloc_pages()`` does, on the nodes that current is bound to.

    Context: As there.
    """
    task = current()
    bound = task is not None and task.mempolicy_mode == MPOL_BIND
    nodes = task.mempolicy_nodes if bound else None
    return __alloc_pages(gfp, order, preferred_nid, nodes, want=want)

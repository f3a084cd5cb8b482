# SPDX-License-Identifier: GPL-2.0-only
"""Graphs for Graphviz (DOT) and for Markdown pages (Mermaid)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .holds import lock_orders

if TYPE_CHECKING:
    from .record import Trace

__all__ = ["dot", "lock_order_dot", "lock_order_mermaid", "mermaid"]


def dot(name: str, edges: Iterable[tuple[str, str]]) -> str:
    """Write a directed graph in Graphviz's language."""
    lines = [f"digraph {_quoted(name)} {{\n", "  node [shape=box];\n"]
    lines += [f"  {_quoted(a)} -> {_quoted(b)};\n" for a, b in edges]
    return "".join([*lines, "}\n"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def mermaid(edges: Iterable[tuple[str, str]]) -> str:
    """Write a directed graph in Mermaid's language."""
    pairs = list(edges)
    names = dict.fromkeys(name for pair in pairs for name in pair)
    ids = {name: f"n{number}" for number, name in enumerate(names)}
    lines = ["graph TD\n"]
    lines += [f'  {ids[name]}["{name}"]\n' for name in names]
    lines += [f"  {ids[a]} --> {ids[b]}\n" for a, b in pairs]
    return "".join(lines)


def lock_order_dot(trace: Trace) -> str:
    """Draw which locks were taken while which were held."""
    return dot("lock order", lock_orders(trace))


def lock_order_mermaid(trace: Trace) -> str:
    """Draw the same for a Markdown page."""
    return mermaid(lock_orders(trace))

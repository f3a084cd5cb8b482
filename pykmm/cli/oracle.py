# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm oracle``: answers for ports, a line for a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..oracle import TABLES, decision_table, serve
from .names import unknown
from .output import show, show_json

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Answer the worlds on standard input, or print a table."""
    if args.table is not None:
        if args.table not in TABLES:
            raise unknown("table", args.table, TABLES)
        show_json(decision_table(args.table))
        return 0
    return serve(sys.stdin.buffer, _Standard())


class _Standard:
    """Standard output, as all commands write it: at once."""

    write = staticmethod(show)

    def flush(self) -> None:
        """Do nothing: that has been done."""

# SPDX-License-Identifier: GPL-2.0-only
"""Designs of kill-and-release against what can become of them.

Every scene is explored under every design; the tables say which outcomes there are,
and each has a schedule that shows it.
"""

from .cells import Cell, Finding, fill
from .render import as_markdown, as_text
from .table import Comparison, compare

__all__ = [
    "Cell",
    "Comparison",
    "Finding",
    "as_markdown",
    "as_text",
    "compare",
    "fill",
]

# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm list``: what there is to explore, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..detect import DETECTORS
from ..patches.bugs import BUGS
from ..patches.designs import DESIGNS
from ..runner import SCHEDULERS
from ..scenarios import SCENARIOS
from .output import show, show_json

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Print names with a line on each."""
    parts = {
        "scenarios": {name: s.summary for name, s in SCENARIOS.items()},
        "designs": {name: design.summary for name, design in DESIGNS.items()},
        "bugs": {name: bug.summary for name, bug in BUGS.items()},
        "schedulers": {name: s.summary for name, s in SCHEDULERS.items()},
        "detectors": {name: d.summary for name, d in DETECTORS.items()},
    }
    if args.json:
        show_json({"format": "pykmm-list/1", **parts})
    else:
        show("\n".join("".join(_lines(title, part)) for title, part in parts.items()))
    return 0


def _lines(title: str, part: dict[str, str]) -> Iterator[str]:
    width = max(map(len, part), default=0)
    yield f"{title}:\n"
    for name, summary in part.items():
        yield f"  {name:<{width}}  {summary}\n"

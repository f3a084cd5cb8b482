# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm report FILE...``: would the model have chosen the kernel's victim?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..report import judge_text, read_log, render, to_dict
from .output import show, show_json

if TYPE_CHECKING:
    from argparse import Namespace

    from ..report import Verdict

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Judge all files, then print: a file that cannot be read spoils no output."""
    if args.json and args.all:
        raise UsageError("--all does not go with --json, which has all tasks: drop it")
    logs = [_judge(path) for path in args.files]
    if args.json:
        reports = [to_dict(verdict) for verdicts in logs for verdict in verdicts]
        show_json({"format": "pykmm-report/1", "reports": reports})
    else:
        show("\n".join(render(verdicts, show_all=args.all) for verdicts in logs))
    return 0 if all(v.fine for verdicts in logs for v in verdicts) else 1


def _judge(path: str) -> list[Verdict]:
    return judge_text(read_log(path), "standard input" if path == "-" else path)

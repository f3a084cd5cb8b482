# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm predict``: whom would this machine's OOM killer choose now?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import UsageError
from ..predict import predict, render, to_dict
from .output import Progress, show, show_json

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]

#: How many tasks to show if nobody says.
_TOP: Final = 10


def run(args: Namespace) -> int:
    """Print the forecast; 1 if a score differs from the kernel's without a reason."""
    _check(args)
    with Progress() as progress:
        forecast = predict(args.proc, args.cgroup, args.memcg, progress.say)
    if args.json:
        show_json(to_dict(forecast))
    else:
        show(render(forecast, top=args.top or _TOP, show_all=args.all))
    return 0 if forecast.fine else 1


def _check(args: Namespace) -> None:
    """Refuse what would be said in vain."""
    if args.json and (args.all or args.top):
        word = "--all" if args.all else f"--top {args.top}"
        raise UsageError(
            f"{word} does not go with --json, which has all tasks: drop it"
        )
    if args.all and args.top:
        raise UsageError(f"--top {args.top} does not go with --all: drop one of them")

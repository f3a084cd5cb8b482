# SPDX-License-Identifier: GPL-2.0-only
"""``pykmm predict``: whom would this machine's OOM killer choose now?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykmm.predict import predict, render, to_dict

from .output import Progress, show, show_json

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Print the forecast; 1 if a score differs from the kernel's without a reason."""
    with Progress() as progress:
        forecast = predict(args.proc, args.cgroup, args.memcg, progress.say)
    if args.json:
        show_json(to_dict(forecast))
    else:
        show(render(forecast, top=args.top, show_all=args.all))
    return 0 if forecast.fine else 1

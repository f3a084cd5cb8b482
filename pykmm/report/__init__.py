# SPDX-License-Identifier: GPL-2.0-only
"""Read real kernel OOM reports and ask the model whether it would agree.

The way of a log: :mod:`~pykmm.report.lines` peels off what loggers put before
each message, :mod:`~pykmm.report.parse` collects reports, :mod:`~pykmm.report.eras`
tells which rules that kernel had, :mod:`~pykmm.report.world` rebuilds the machine,
a :class:`Selector` chooses on it, :mod:`~pykmm.report.judge` compares, and
:mod:`~pykmm.report.render` writes the answer down.
"""

from __future__ import annotations

from .eras import EraRules
from .historic import PlainSelector, Selection
from .judge import Selector, judge, judge_text
from .parse import parse
from .render import render, render_one, summary_line, to_dict
from .source import read_log
from .verdict import JudgedRow, Outcome, Verdict
from .world import RebuiltTask, RebuiltWorld, rebuild

__all__ = [
    "EraRules",
    "JudgedRow",
    "Outcome",
    "PlainSelector",
    "RebuiltTask",
    "RebuiltWorld",
    "Selection",
    "Selector",
    "Verdict",
    "judge",
    "judge_text",
    "parse",
    "read_log",
    "rebuild",
    "render",
    "render_one",
    "summary_line",
    "to_dict",
]

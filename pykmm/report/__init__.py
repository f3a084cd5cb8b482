# SPDX-License-Identifier: GPL-2.0-only
"""Read real kernel OOM reports and ask the model whether it would agree.

The way of a log: :mod:`~pykmm.report.lines` peels off what loggers put before
each message, :mod:`~pykmm.report.parse` collects reports, :mod:`~pykmm.report.eras`
tells which rules that kernel had, :mod:`~pykmm.report.world` rebuilds the machine,
a :class:`Selector` chooses on it, :mod:`~pykmm.report.judge` compares, and
:mod:`~pykmm.report.render` writes the answer down.
"""

from __future__ import annotations

from pykmm.report.eras import EraRules
from pykmm.report.historic import PlainSelector, Selection
from pykmm.report.judge import Selector, judge, judge_text
from pykmm.report.parse import parse
from pykmm.report.render import render, render_one, summary_line, to_dict
from pykmm.report.source import read_log
from pykmm.report.verdict import JudgedRow, Outcome, Verdict
from pykmm.report.world import RebuiltTask, RebuiltWorld, rebuild

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

# SPDX-License-Identifier: GPL-2.0-only
"""Predict whom the OOM killer of a running machine would choose now.

The way of an answer: :mod:`~pykmm.predict.snapshot` reads ``/proc`` and
:mod:`~pykmm.predict.cgroups` the memory cgroups, :mod:`~pykmm.predict.machine`
boots a model with the same processes, :mod:`~pykmm.predict.choice` lets the
library's OOM killer choose on it, :mod:`~pykmm.predict.scores` compares what it
weighs with what the kernel says, :mod:`~pykmm.predict.reap` foresees what a kill
brings, and :mod:`~pykmm.predict.render` writes it down.
"""

from __future__ import annotations

from .forecast import Forecast, JudgedTask, predict
from .plain import to_dict
from .reap import Reap
from .render import TOP, render
from .scores import Agreement, Score

__all__ = [
    "TOP",
    "Agreement",
    "Forecast",
    "JudgedTask",
    "Reap",
    "Score",
    "predict",
    "render",
    "to_dict",
]

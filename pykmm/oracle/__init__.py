# SPDX-License-Identifier: GPL-2.0-only
"""Answers for ports: a described machine, calls on it, and what they did.

A port of the OOM code in another language describes a situation as one line of
JSON (``pykmm-world/1``) and gets the library's answer: results, effects in order,
log lines and the state afterwards.
"""

from __future__ import annotations

from .answer import answer, answer_line
from .serve import serve
from .table import TABLES, decision_table

__all__ = ["TABLES", "answer", "answer_line", "decision_table", "serve"]

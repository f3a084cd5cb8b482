# SPDX-License-Identifier: GPL-2.0-only
"""Hypothesis strategies: whole programs, drawn at random."""

from .acts import Act
from .play import Player, end_all, play
from .programs import programs

__all__ = ["Act", "Player", "end_all", "play", "programs"]

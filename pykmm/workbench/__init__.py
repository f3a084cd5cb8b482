# SPDX-License-Identifier: GPL-2.0-only
"""Booting machines, spawning processes, and driving both from the host."""

from .family import Facts, Tree
from .machine import Machine, parse_size
from .process import Process

__all__ = ["Facts", "Machine", "Process", "Tree", "parse_size"]

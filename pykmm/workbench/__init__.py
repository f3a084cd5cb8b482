# SPDX-License-Identifier: GPL-2.0-only
"""Booting machines, spawning processes, and driving both from the host."""

from .family import Facts, Tree
from .machine import Machine
from .process import Process
from .spawning import parse_size

__all__ = ["Facts", "Machine", "Process", "Tree", "parse_size"]

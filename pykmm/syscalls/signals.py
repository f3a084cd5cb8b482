# SPDX-License-Identifier: GPL-2.0-only
"""System calls about signals and pidfds."""

from __future__ import annotations

from ..kernel import pid as _pid
from ..kernel import signal as _signal
from ..kernel.entry.common import pause
from ._return import syscall

__all__ = ["kill", "pause", "pidfd_open"]

kill = syscall(_signal.kill)
pidfd_open = syscall(_pid.pidfd_open)

# SPDX-License-Identifier: GPL-2.0-only
"""What kernel threads do about signals — ``include/linux/signal.h``."""

from __future__ import annotations

from typing import Final

__all__ = ["SIG_KTHREAD", "SIG_KTHREAD_KERNEL"]

#: Actions of a kernel thread that takes a signal: from anybody, or from the kernel.
SIG_KTHREAD: Final = 2
SIG_KTHREAD_KERNEL: Final = 3

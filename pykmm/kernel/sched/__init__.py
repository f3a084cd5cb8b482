# SPDX-License-Identifier: GPL-2.0-only
"""``kernel/sched/``: only what a dying task owes to the scheduler."""

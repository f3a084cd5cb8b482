# SPDX-License-Identifier: GPL-2.0-only
"""``kernel/entry/``: the border between a program and the kernel."""

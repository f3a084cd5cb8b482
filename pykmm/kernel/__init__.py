# SPDX-License-Identifier: GPL-2.0-only
"""``kernel/``: processes, signals, identifiers."""

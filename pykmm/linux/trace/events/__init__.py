# SPDX-License-Identifier: GPL-2.0-only
"""Tracepoints, one file for each group — ``include/trace/events/``."""

# SPDX-License-Identifier: GPL-2.0-only
"""Variants of the kernel: whole replacement functions, as in livepatching.

A machine's ``patches`` map original functions to replacements, and only the
machine that was given them runs them.
"""

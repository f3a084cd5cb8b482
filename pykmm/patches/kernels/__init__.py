# SPDX-License-Identifier: GPL-2.0-only
"""Older kernels, as what has to be put back into the baseline."""

# SPDX-License-Identifier: GPL-2.0-only
"""``mm/``: address spaces, their teardown, and the OOM killer."""

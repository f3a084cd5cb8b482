# SPDX-License-Identifier: GPL-2.0-only
"""Parts of Linux that only some scenes need, as patches: neither bugs nor designs."""

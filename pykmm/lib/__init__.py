# SPDX-License-Identifier: GPL-2.0-only
"""What Linux keeps in ``lib/``: data structures that know no subsystem."""

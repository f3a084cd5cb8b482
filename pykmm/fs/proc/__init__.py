# SPDX-License-Identifier: GPL-2.0-only
"""What Linux keeps below ``fs/proc/``: what the system says about itself."""

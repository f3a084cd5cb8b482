# SPDX-License-Identifier: GPL-2.0-only
"""What Linux keeps below ``drivers/char/``."""

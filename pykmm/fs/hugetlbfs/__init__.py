# SPDX-License-Identifier: GPL-2.0-only
"""``fs/hugetlbfs/``: files of huge pages."""

# SPDX-License-Identifier: GPL-2.0-only
"""How masks of allocations and sets of nodes are printed."""

from __future__ import annotations

import pytest

from pykmm.errors import UsageError
from pykmm.lib.vsprintf import bitmap_list_string, flags_string
from pykmm.linux import gfp_types
from pykmm.linux.gfp import gfp_zone
from pykmm.linux.gfp_types import (
    __GFP_DMA,
    __GFP_DMA32,
    __GFP_HIGHMEM,
    __GFP_MOVABLE,
    __GFP_NO_OBJ_EXT,
    GFP_HIGHUSER_MOVABLE,
    GFP_KERNEL,
)
from pykmm.linux.mmzone import ZONE_DMA, ZONE_DMA32, ZONE_MOVABLE, ZONE_NORMAL


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (0, ""),
        (0xCC0, "GFP_KERNEL"),
        (0x140CCA, "GFP_HIGHUSER_MOVABLE|__GFP_COMP"),
        (0x140DCA, "GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP"),
        (0x400CC0, "GFP_KERNEL_ACCOUNT"),
        (0xC40, "GFP_NOFS"),
        (0xC00, "GFP_NOIO"),
        (0x820, "GFP_ATOMIC"),
        (0x2800, "GFP_NOWAIT"),
        (0x800, "__GFP_KSWAPD_RECLAIM"),
        (GFP_KERNEL | __GFP_NO_OBJ_EXT, "GFP_KERNEL|0x1000000"),
        (0x200, "0x200"),
        (0x3D24CA, "GFP_TRANSHUGE|__GFP_NORETRY|__GFP_THISNODE"),
    ],
)
def test_gfp_masks(mask: int, text: str) -> None:
    assert flags_string(mask, "g") == text


def test_every_name_stands_for_its_mask() -> None:
    names = [name for name in gfp_types.__all__ if name != "GFP_ZONEMASK"]
    for name in names:
        mask = getattr(gfp_types, name)
        spelled = flags_string(mask, "g")
        parts = spelled.split("|")
        total = 0
        for part in parts:
            total |= int(part, 16) if part[0] == "0" else getattr(gfp_types, part)
        assert total == mask


def test_only_allocations_are_known() -> None:
    with pytest.raises(UsageError, match="kind='p' is not known"):
        flags_string(1, "p")


@pytest.mark.parametrize(
    ("nodes", "text"),
    [(None, "(null)"), ((), ""), ({0}, "0"), ({3, 0, 1, 5, 4}, "0-1,3-5")],
)
def test_nodes(nodes: set[int] | None, text: str) -> None:
    assert bitmap_list_string(nodes) == text


@pytest.mark.parametrize(
    ("mask", "zone"),
    [
        (GFP_KERNEL, ZONE_NORMAL),
        (GFP_HIGHUSER_MOVABLE, ZONE_MOVABLE),
        (__GFP_MOVABLE, ZONE_NORMAL),
        (__GFP_HIGHMEM, ZONE_NORMAL),
        (GFP_KERNEL | __GFP_DMA, ZONE_DMA),
        (__GFP_DMA32 | __GFP_MOVABLE, ZONE_DMA32),
        (__GFP_DMA | __GFP_DMA32, ZONE_DMA),
    ],
)
def test_zones(mask: int, zone: int) -> None:
    assert gfp_zone(mask) == zone

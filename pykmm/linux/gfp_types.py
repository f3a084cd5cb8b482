# SPDX-License-Identifier: GPL-2.0-only
"""What an allocation may do — ``include/linux/gfp_types.h``.

The bits are those of a kernel without KASAN tags and lockdep, and the names are
the ones that reports print for them (``include/trace/events/mmflags.h``).
"""

from __future__ import annotations

from typing import Final

__all__ = ["GFP_KERNEL", "__GFP_FS", "__GFP_THISNODE", "_format_gfp"]

_BITS: Final = (
    "DMA HIGHMEM DMA32 MOVABLE RECLAIMABLE HIGH IO FS ZERO UNUSED DIRECT_RECLAIM "
    "KSWAPD_RECLAIM WRITE NOWARN RETRY_MAYFAIL NOFAIL NORETRY MEMALLOC COMP NOMEMALLOC "
    "HARDWALL THISNODE ACCOUNT ZEROTAGS"
).split()
_FLAGS: Final = {name: 1 << nr for nr, name in enumerate(_BITS) if name != "UNUSED"}

__GFP_FS: Final = _FLAGS["FS"]
__GFP_THISNODE: Final = _FLAGS["THISNODE"]


def _mask(names: str) -> int:
    return sum(_FLAGS[name] for name in names.split())


_RECLAIM: Final = _mask("DIRECT_RECLAIM KSWAPD_RECLAIM")
GFP_KERNEL: Final = _RECLAIM | _mask("IO FS")
_USER: Final = GFP_KERNEL | _mask("HARDWALL")
_MOVABLE: Final = _USER | _mask("HIGHMEM MOVABLE")
_LIGHT: Final = (_MOVABLE | _mask("COMP NOMEMALLOC NOWARN")) & ~_RECLAIM

#: In the order in which they are looked for: the names of many bits come first.
_NAMES: Final[dict[str, int]] = {
    "GFP_TRANSHUGE": _LIGHT | _mask("DIRECT_RECLAIM"),
    "GFP_TRANSHUGE_LIGHT": _LIGHT,
    "GFP_HIGHUSER_MOVABLE": _MOVABLE,
    "GFP_HIGHUSER": _USER | _mask("HIGHMEM"),
    "GFP_USER": _USER,
    "GFP_KERNEL_ACCOUNT": GFP_KERNEL | _mask("ACCOUNT"),
    "GFP_KERNEL": GFP_KERNEL,
    "GFP_NOFS": _RECLAIM | _mask("IO"),
    "GFP_ATOMIC": _mask("HIGH KSWAPD_RECLAIM"),
    "GFP_NOIO": _RECLAIM,
    "GFP_NOWAIT": _mask("KSWAPD_RECLAIM NOWARN"),
    "GFP_DMA": _mask("DMA"),
    "GFP_DMA32": _mask("DMA32"),
    "__GFP_RECLAIM": _RECLAIM,
} | {f"__GFP_{name}": flag for name, flag in _FLAGS.items()}


def _format_gfp(mask: int) -> str:
    """Spell *mask* as ``%pGg`` does: names, and what has none as a number."""
    parts = []
    for name, bits in _NAMES.items():
        if mask and mask & bits == bits:
            parts.append(name)
            mask &= ~bits
    if mask:
        parts.append(f"{mask:#x}")
    return "|".join(parts)

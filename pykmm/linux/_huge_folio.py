# SPDX-License-Identifier: GPL-2.0-only
"""Huge pages in use, and the entries that map them.

They are few, so each is a structure of its own, counted as Linux counts a folio. What
lies in the pool has none.
"""

from __future__ import annotations

import attrs

from ..engine.fields import const, embedded, kernel_struct
from ..engine.objects import Struct
from .atomic import atomic_t
from .refcount import refcount_t

__all__ = ["HugeFolio", "HugePte"]


@kernel_struct
class HugeFolio(Struct):
    """One huge page, from when it is taken until it goes back."""

    #: The node that it is from.
    nid: int = const()
    #: One reference for each entry, one for the file that it is a page of, and those of
    #: whoever works on it. The first is whose who takes it.
    _refcount: refcount_t = embedded(lambda folio: refcount_t(1, folio))
    #: How many entries map it.
    _mapcount: atomic_t = embedded(lambda folio: atomic_t(0, folio))
    #: Whether it is private memory, not a page of a file; before anybody maps it.
    is_anon: bool = const(default=False)
    #: Whether a reservation was consumed for it, to be given back with it: as long as
    #: only one thread knows it.
    restore_reserve: bool = const(default=False)
    #: Whether it goes back to all other memory, and was never one of the pool's.
    temporary: bool = const(default=False)


@attrs.frozen(eq=False)
class HugePte:
    """An entry; one that is changed is another one."""

    folio: HugeFolio
    writable: bool

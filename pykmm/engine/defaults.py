# SPDX-License-Identifier: GPL-2.0-only
"""Dictionaries that hold only what differs from their defaults.

Of most things most properties are never set, and in worlds of many thousand tasks a
key for each of them would be most of what a task costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["dict_with_defaults"]


def dict_with_defaults(
    defaults: Mapping[str, Any],
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Make a class of dictionaries in which a key that is missing has its default.

    Only looking a key up finds the default: ``get()``, ``in`` and iteration tell what
    was set.
    """
    members = {"__slots__": (), "__missing__": defaults.__getitem__}
    return type("_WithDefaults", (dict,), members)

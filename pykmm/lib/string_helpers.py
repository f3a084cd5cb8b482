# SPDX-License-Identifier: GPL-2.0-only
"""White space around what programs write — ``lib/string_helpers.c``."""

from __future__ import annotations

from typing import Final

from ..engine.annotate import mirrors

__all__ = ["isspace", "skip_spaces", "strim"]

#: Of ISO 8859-1, as the kernel's own table has it: with the no-break space.
_SPACE: Final = b" \t\n\v\f\r\xa0"


def isspace(char: int) -> bool:
    """Tell whether the byte *char* is white space."""
    return char in _SPACE


@mirrors("lib/string_helpers.c", checked="v7.2")
def skip_spaces(text: bytes) -> bytes:
    """Return *text* without the white space in front."""
    return text.lstrip(_SPACE)


@mirrors("lib/string_helpers.c", checked="v7.2")
def strim(text: bytes) -> bytes:
    """Return *text*, up to the first NUL, without white space at both ends."""
    return text.partition(b"\0")[0].strip(_SPACE)

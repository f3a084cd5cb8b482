# SPDX-License-Identifier: GPL-2.0-only
"""What a replacement was made from, as a fingerprint of the original.

A patch repeats a function with a change in it. When the original changes, somebody
has to look whether the copy should, as a diff that does not apply would tell.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from hashlib import sha256
from textwrap import dedent

from ..engine.annotate import original

__all__ = ["fingerprint"]

_DIGITS = 12


def fingerprint(function: Callable[..., object]) -> str:
    """Return a fingerprint of what *function* does: words and layout do not count."""
    tree = ast.parse(dedent(inspect.getsource(original(function))))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
            if ast.get_docstring(node) is not None:
                del node.body[0]
    return sha256(ast.dump(tree).encode()).hexdigest()[:_DIGITS]

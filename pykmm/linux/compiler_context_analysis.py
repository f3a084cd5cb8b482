# SPDX-License-Identifier: GPL-2.0-only
"""Locking rules on functions — ``include/linux/compiler-context-analysis.h``.

The words are those of the kernel's context analysis; here they are checked when
the function is called. Paths start at a parameter (``"mm.mmap_lock"``) and are
resolved against the signature at import, so that a typo fails at once.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar

from ..engine.ledger import holders
from ..engine.thread import Thread, thread_here
from ..errors import ContextError, UsageError

__all__ = ["CONTRACTS", "must_hold", "must_hold_shared", "must_not_hold"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Contracts by module and function name; filled at import, then constant.
CONTRACTS: dict[tuple[str, str], list[tuple[str, str]]] = {}


def must_hold(path: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Demand that the caller holds the lock at *path* exclusively."""
    return _contract("must_hold", path, lambda lock, t: lock.held_exclusively_by(t))


def must_hold_shared(path: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Demand that the caller holds the lock at *path*, shared or exclusively."""
    return _contract("must_hold_shared", path, lambda lock, t: lock.held_by(t))


def must_not_hold(path: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Demand that the caller does not hold the lock at *path*."""
    return _contract("must_not_hold", path, lambda lock, t: not lock.held_by(t))


def _itself(value: Any) -> Any:
    return value


def _contract(
    word: str, path: str, holds: Callable[[Any, Thread], bool]
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    parameter, _, rest = path.partition(".")
    lock_of: Callable[[Any], Any] = operator.attrgetter(rest) if rest else _itself

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        names = list(inspect.signature(function).parameters)
        if parameter not in names:
            raise UsageError(
                f"{word}({path!r}): {function.__name__}() does not take {parameter!r}"
            )
        index = names.index(parameter)
        key = (function.__module__, function.__name__)
        CONTRACTS.setdefault(key, []).append((word, path))

        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            t = thread_here()
            if t is not None and t is not t.machine.boot and not t.machine.stopping:
                value = args[index] if index < len(args) else kwargs[parameter]
                lock = lock_of(value)
                if not holds(lock, t):
                    raise ContextError(
                        f"{function.__name__}() called by {t.name}: {word} {lock.name}",
                        facts=holders(lock, t),
                    )
            return function(*args, **kwargs)

        return update_wrapper(call, function)

    return decorate

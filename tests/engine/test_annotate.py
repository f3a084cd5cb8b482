# SPDX-License-Identifier: GPL-2.0-only
"""Mirrored functions: what stands in for them takes just what they take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from pykmm.engine import Machine
from pykmm.engine.annotate import mirrors, original

Told = tuple[object, ...]


@mirrors("mm/nothing.c", checked="v7.2")
def none() -> Told:
    """Take nothing."""
    return ()


@mirrors("mm/nothing.c", checked="v7.2")
def plain(thread: int, function: int = 2) -> Told:
    """Take what dispatching itself has names for."""
    return (thread, function)


@mirrors("mm/nothing.c", checked="v7.2")
def named(a: int, *, b: int, c: int = 3) -> Told:
    """Take some by name only."""
    return (a, b, c)


@mirrors("mm/nothing.c", checked="v7.2")
def many(a: int, *rest: int, b: int = 2) -> Told:
    """Take any number."""
    return (a, rest, b)


CALLS: list[tuple[Callable[..., Told], tuple[int, ...], dict[str, int], Told]] = [
    (none, (), {}, ()),
    (plain, (1,), {}, (1, 2)),
    (plain, (), {"function": 5, "thread": 4}, (4, 5)),
    (named, (1,), {"b": 2}, (1, 2, 3)),
    (named, (1,), {"c": 4, "b": 2}, (1, 2, 4)),
    (many, (1, 7, 8), {}, (1, (7, 8), 2)),
    (many, (1,), {"b": 9}, (1, (), 9)),
]


@pytest.mark.parametrize(("function", "args", "named_args", "told"), CALLS)
def test_arguments_get_through(
    function: Callable[..., Told],
    args: tuple[int, ...],
    named_args: dict[str, int],
    told: Told,
) -> None:
    assert function(*args, **named_args) == told
    with Machine() as machine:
        assert function(*args, **named_args) == told

        def patched(*a: Any, **k: Any) -> Told:
            return ("patched", original(function)(*a, **k))

        machine.patches[original(function)] = patched
        assert function(*args, **named_args) == ("patched", told)


@pytest.mark.parametrize("function", [none, plain, named, many])
def test_a_mirrored_function_looks_like_itself(function: Callable[..., Told]) -> None:
    inner = original(function)
    assert inspect.signature(function) == inspect.signature(inner)
    assert (function.__name__, function.__module__) == (inner.__name__, __name__)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(TypeError):
        plain()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        named(1, 2)  # type: ignore[call-arg,misc]


def test_only_a_replaced_function_pays_for_looking() -> None:
    @mirrors("mm/nothing.c", checked="v7.2")
    def one() -> str:
        """Tell where it ran."""
        return "original"

    inner = original(one)
    code: list[object] = [one.__code__ is inner.__code__]
    with Machine() as machine:
        machine.patches.update({inner: lambda: "patch"})
        code.append(one.__code__ is inner.__code__)
        assert one() == "patch"
    with Machine():
        assert one() == inner() == "original"
    assert code == [True, False]
    assert one() == "original"

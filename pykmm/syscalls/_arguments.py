# SPDX-License-Identifier: GPL-2.0-only
"""What a system call can be handed: values of the kinds that its function names.

A wrong number is the modelled program's mistake, and the kernel answers it. A value
that no C program could hand over is a mistake of whoever wrote the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import signature
from itertools import chain
from typing import Any, Final, ParamSpec, TypeVar

from ..errors import UsageError
from ..linux.signal import kernel_siginfo
from ..linux.uaccess import UserWord
from ..linux.uapi_futex import robust_list_head

__all__ = ["Check", "check_of", "checked"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Refuses the arguments of a call, or does nothing.
Check = Callable[[Sequence[object], Mapping[str, object]], None]

#: What there is for each annotation, for ``isinstance()``, and how to say so.
_KINDS: Final[dict[str, tuple[Any, str]]] = {
    "int": (int, "a whole number"),
    "int | None": (int | None, "a whole number, or None"),
    "bool": (bool, "True or False"),
    "str": (str, "text"),
    "bytes | str | None": (bytes | str | None, "bytes or text, or None"),
    "Iterable[int]": (Iterable, "a set of signals"),
    "tuple[int, ...]": (tuple, "a tuple of numbers"),
    "Sequence[tuple[int, int]]": (Sequence, "a list of addresses with lengths"),
    "_Iovec": (Sequence, "a list of addresses with lengths"),
    "_Program": (Callable | None, "a function, or None"),
    "Callable[[], object]": (Callable, "a function"),
    "int | Callable[..., object]": (int | Callable, "SIG_DFL, SIG_IGN or a function"),
    "UserWord": (UserWord, "a UserWord"),
    "UserWord | None": (UserWord | None, "a UserWord, or None"),
    "robust_list_head | None": (robust_list_head | None, "a list head, or None"),
    "kernel_siginfo | int | None": (
        kernel_siginfo | int | None,
        "what is known of a signal, a number for a bad pointer, or None",
    ),
}
_ANYTHING: Final = (object, "")


def check_of(function: Callable[..., object], name: str) -> Check:
    """Make what looks whether arguments are such as *function* says that it takes.

    What pykmm alone hands over, as the arguments of ``kernel_clone()``, is let be.
    """
    parameters = signature(function).parameters.values()
    kinds = {p.name: _KINDS.get(p.annotation, _ANYTHING) for p in parameters}

    def check(args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        for argument, value in chain(zip(kinds, args, strict=False), kwargs.items()):
            kind, what = kinds.get(argument, _ANYTHING)
            if not isinstance(value, kind):
                raise UsageError(f"{name}(): {argument}={value!r} must be {what}")

    return check


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Refuse, when *function* is called, what it does not say that it takes."""
    check = check_of(function, function.__name__)

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        check(args, kwargs)
        return function(*args, **kwargs)

    return call

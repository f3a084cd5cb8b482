# SPDX-License-Identifier: GPL-2.0-only
"""What a value may look like, as data; and finding where one does not.

Each shape answers quickly whether a value fits, and for a whole list at once
whether all of it does. Only for one that does not is the way walked again, to say
where and why: a world of a hundred thousand tasks must not cost a pointer, or even a
call, for each of its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..errors import choices
from .refusal import Refused, pointer

if TYPE_CHECKING:
    from typing import Protocol

    class Shape(Protocol):
        """What all shapes answer."""

        @property
        def fits(self) -> Callable[[object], bool]: ...

        def all_fit(self, values: list[Any]) -> bool: ...

        def complain(self, value: object, where: str) -> None: ...


__all__ = [
    "Flag",
    "ListOf",
    "Maybe",
    "Object",
    "OneByOne",
    "OneOf",
    "Text",
    "Whole",
    "kind",
]


def kind(value: object) -> str:
    """Name what *value* is, in JSON's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number" if isinstance(value, int) else "a number with a fraction"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


class OneByOne:
    """A shape that has no quicker way for many values."""

    def fits(self, value: object) -> bool:
        """Tell whether *value* fits."""
        raise NotImplementedError

    def all_fit(self, values: list[Any]) -> bool:
        """Tell whether all of *values* fit."""
        return all(map(self.fits, values))


@frozen
class Whole:
    """A whole number from *low* to *high*."""

    low: int
    high: int
    fits: Callable[[object], bool] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        low, high = self.low, self.high
        object.__setattr__(
            self, "fits", lambda value: type(value) is int and low <= value <= high
        )

    def all_fit(self, values: list[Any]) -> bool:
        """Tell whether all of *values* fit."""
        if not values:
            return True
        if set(map(type, values)) != {int}:
            return False
        return bool(self.low <= min(values) and max(values) <= self.high)

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        if type(value) is not int:
            raise Refused(where, f"this must be a whole number, not {kind(value)}")
        side = f"below {self.low}" if value < self.low else f"above {self.high}"
        raise Refused(where, f"this number is {side}")


@frozen
class Flag(OneByOne):
    """True or false."""

    def fits(self, value: object) -> bool:
        """Tell whether *value* is one."""
        return value is True or value is False

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        raise Refused(where, f"this must be true or false, not {kind(value)}")


@frozen
class Text:
    """A string that is no longer than *most* bytes, without *without*."""

    least: int
    most: int
    without: str

    def fits(self, value: object) -> bool:
        """Tell whether *value* is one."""
        if type(value) is not str or not self.least <= len(value) <= self.most:
            return False
        if value.isascii():
            return value.isalnum() or not any(c in value for c in self.without)
        return self._is_short(value) and not any(c in value for c in self.without)

    def all_fit(self, values: list[Any]) -> bool:
        """Tell whether all of *values* fit."""
        if not values or set(map(type, values)) != {str}:
            return not values
        text = "".join(values)
        if not text.isascii() or any(c in text for c in self.without):
            return all(map(self.fits, values))
        sizes = set(map(len, values))
        return self.least <= min(sizes) and max(sizes) <= self.most

    def _is_short(self, value: str) -> bool:
        return len(value.encode("utf-8", "surrogatepass")) <= self.most

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        if type(value) is not str:
            raise Refused(where, f"this must be a string, not {kind(value)}")
        if len(value) < self.least:
            raise Refused(where, "this string must not be empty")
        if not self._is_short(value):
            raise Refused(where, f"this string is longer than {self.most} bytes")
        bad = next(c for c in self.without if c in value)
        raise Refused(where, f"this string holds {bad!r}, which it must not")


@frozen
class OneOf(OneByOne):
    """One of some strings or numbers."""

    values: tuple[str | int, ...]

    def fits(self, value: object) -> bool:
        """Tell whether *value* is one of them."""
        return type(value) is type(self.values[0]) and value in self.values

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        known = choices([f"{v}" for v in self.values])
        said = f"{value!r:.40}" if isinstance(value, str | int) else kind(value)
        raise Refused(where, f"{said} is none of {known}")


@frozen
class Maybe:
    """Null, or something."""

    inner: Shape
    fits: Callable[[object], bool] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        inner = self.inner.fits
        object.__setattr__(self, "fits", lambda value: value is None or inner(value))

    def all_fit(self, values: list[Any]) -> bool:
        """Tell whether all of *values* fit."""
        return self.inner.all_fit([value for value in values if value is not None])

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        self.inner.complain(value, where)


@frozen
class ListOf(OneByOne):
    """A list of *least* to *most* alike things."""

    item: Shape
    least: int = 0
    most: int = 1 << 62

    def fits(self, value: object) -> bool:
        """Tell whether *value* is such a list."""
        if type(value) is not list or not self.least <= len(value) <= self.most:
            return False
        return self.item.all_fit(value)

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        if type(value) is not list:
            raise Refused(where, f"this must be a list, not {kind(value)}")
        if len(value) < self.least:
            raise Refused(where, "this list must not be empty")
        if len(value) > self.most:
            raise Refused(where, f"this list has more than {self.most} entries")
        for index, item in enumerate(value):
            if not self.item.fits(item):
                self.item.complain(item, pointer(where, index))


@frozen
class Object:
    """An object with known keys, some of which it must have."""

    keys: Mapping[str, Shape]
    needed: frozenset[str] = frozenset()
    fits: Callable[[object], bool] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        checks = {key: shape.fits for key, shape in self.keys.items()}
        needed = self.needed

        def fits(value: object) -> bool:
            if type(value) is not dict or not needed <= value.keys():
                return False
            for key, part in value.items():
                check = checks.get(key)
                if check is None or not check(part):
                    return False
            return True

        object.__setattr__(self, "fits", fits)

    def all_fit(self, values: list[Any]) -> bool:
        """Tell whether all of *values* fit: those with the same keys, key by key."""
        if set(map(type, values)) - {dict}:
            return False
        alike: dict[tuple[str, ...], list[Any]] = {}
        for value in values:
            alike.setdefault(tuple(value), []).append(value)
        return all(
            self.needed <= set(keys) <= self.keys.keys()
            and all(
                self.keys[key].all_fit(list(map(itemgetter(key), some))) for key in keys
            )
            for keys, some in alike.items()
        )

    def complain(self, value: object, where: str) -> None:
        """Say why *value* does not fit."""
        if not isinstance(value, dict):
            raise Refused(where, f"this must be an object, not {kind(value)}")
        for key, part in value.items():
            if key not in self.keys:
                known = choices(sorted(self.keys))
                raise Refused(
                    pointer(where, key), f"this key is unknown: known are {known}"
                )
            if not self.keys[key].fits(part):
                self.keys[key].complain(part, pointer(where, key))
        missing = sorted(self.needed - value.keys())
        raise Refused(where, f"this object lacks the key {missing[0]!r}")

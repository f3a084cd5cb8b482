# SPDX-License-Identifier: GPL-2.0-only
"""The maple tree answers as the real one did.

``maple_reads.txt`` and ``maple_stores.txt`` hold answers recorded from
lib/maple_tree.c of Linux 7.2, compiled unmodified in user space, to random
sequences of calls. The first leaves stores to the tree and reads through the
state; the second also stores and erases through the state. Bounds and status are
compared after every call, and the laws of the structure checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pykmm.lib import maple_tree as lib
from pykmm.lib.maple_tree import mas_preallocate, mas_store_gfp, mas_store_prealloc
from pykmm.linux import maple_tree as header
from pykmm.linux.maple_tree import (
    MA_STATE,
    MT_FLAGS_ALLOC_RANGE,
    ULONG_MAX,
    XA_ZERO_ENTRY,
    ma_state,
    maple_tree,
    xa_is_zero,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pykmm.linux.maple_tree import ZeroEntry

#: Entries are the numbers of the recording, as text.
Tree = maple_tree[str]

_SETTERS = ("mas_set", "mas_set_range", "mas_reset")
_NAMES = {"-": None, "ZERO": XA_ZERO_ENTRY}


def _sequences(name: str) -> Iterator[tuple[int, list[str]]]:
    """Read the paragraphs of a recording, each with its number."""
    text = (Path(__file__).parent / name).read_text(encoding="ascii")
    paragraphs = text.split("\n\n")[1:]
    for number, paragraph in enumerate(paragraphs, 1):
        yield number, paragraph.splitlines()


def _number(text: str) -> int:
    return ULONG_MAX if text == "MAX" else int(text)


def _entry(text: str) -> str | ZeroEntry | None:
    return _NAMES.get(text, text)


def _shown(answer: object) -> str:
    if answer is None:
        return "-"
    if xa_is_zero(answer):
        return "ZERO"
    return "MAX" if answer == ULONG_MAX else str(answer)


def _state(mas: ma_state[str]) -> str:
    status = mas.status.name.removeprefix("ma_")
    return f"{_shown(mas.index)} {_shown(mas.last)} {status}"


class Player:
    """One tree and one state that calls are played on, as text."""

    def __init__(self) -> None:
        self.tree = Tree(MT_FLAGS_ALLOC_RANGE)
        self.mas = MA_STATE(self.tree, 0, 0)

    def play(self, call: str) -> str:
        """Make *call*, and answer in the form of the recording."""
        name, *args = call.split()
        if name == "MA_STATE":
            self.mas = MA_STATE(self.tree, *map(_number, args))
            return ""
        if name.startswith("mt"):
            return self._on_tree(name, args)
        if name in _SETTERS:
            getattr(header, name)(self.mas, *map(_number, args))
            return _state(self.mas)
        if name == "mas_pause":
            lib.mas_pause(self.mas)
            return _state(self.mas)
        if name.startswith("mas_empty_area"):
            return self._gap(name, args)
        return f"{self._on_state(name, args)} {_state(self.mas)}"

    def _gap(self, name: str, args: list[str]) -> str:
        # The recording searched gaps with a fresh state of their own.
        mas = MA_STATE(self.tree, 0, 0)
        error = int(getattr(lib, name)(mas, *map(_number, args)))
        return str(error) if error else f"0 {_shown(mas.index)} {_shown(mas.last)}"

    def _on_tree(self, name: str, args: list[str]) -> str:
        call = getattr(lib, name)
        if name in ("mtree_store_range", "mtree_insert_range"):
            first, last, entry = args
            return str(
                int(call(self.tree, _number(first), _number(last), _entry(entry), 0))
            )
        answer = call(self.tree, *map(_number, args))
        if name in ("mt_find", "mt_find_after"):
            return f"{_shown(answer[0])} {_shown(answer[1])}"
        return _shown(answer)

    def _on_state(self, name: str, args: list[str]) -> str:
        mas = self.mas
        if name == "mas_store_gfp":
            return str(int(mas_store_gfp(mas, _entry(args[0]), 0)))
        if name == "mas_preallocate_store":
            reserved = mas_preallocate(mas, _entry(args[0]), 0)
            mas_store_prealloc(mas, _entry(args[0]))
            return str(int(reserved))
        if name == "mas_store":
            content = lib.mas_store(mas, _entry(args[0]))
            return _shown(content)
        return _shown(getattr(lib, name)(mas, *map(_number, args)))


@pytest.mark.parametrize("recording", ["maple_reads.txt", "maple_stores.txt"])
def test_answers_bounds_and_statuses_are_the_recorded_ones(recording: str) -> None:
    played = 0
    for number, lines in _sequences(recording):
        player = Player()
        for line in lines:
            call, _, expected = line.partition(" = ")
            answer = player.play(call)
            assert (line, answer) == (line, expected), f"sequence {number}"
            player.tree._check()
            played += 1
    assert played > 3000

# SPDX-License-Identifier: GPL-2.0-only
"""A patch is looked at again when what it replaces has changed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from pykmm.patches.context import fingerprint

_spec = importlib.util.spec_from_file_location(
    "pykmm_tests_contexts", Path(__file__).with_name("contexts.py")
)
assert _spec is not None
assert _spec.loader is not None
contexts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contexts)


def test_no_original_changed_since_its_patches_were_looked_at() -> None:
    stored = dict(
        line.rsplit(" ", 1)
        for line in contexts.STORED.read_text(encoding="utf-8").splitlines()
    )
    assert contexts.complaints(stored, contexts.contexts()) == []


def test_a_patch_of_a_changed_function_is_told_in_a_sentence() -> None:
    stored = {"design B a.f": "1", "design C a.f": "1", "design D a.f": "1"}
    now = {"design B a.f": "1", "design C a.f": "2", "design E a.f": "1"}
    assert contexts.complaints(stored, now) == [
        "a.f(): design C was made from another one: take over what has changed, "
        "with contexts.py",
        "a.f(): design D replaces it no more: forget it, with contexts.py",
        "a.f(): design E has not been looked at: note what it was made from, "
        "with contexts.py",
    ]


def _told() -> Callable[[int], int]:
    def add(a: int) -> int:
        """Add one."""
        return a + 1

    return add


def _untold() -> Callable[[int], int]:
    def add(a: int) -> int:
        # One more.
        return a + 1

    return add


def _other() -> Callable[[int], int]:
    def add(a: int) -> int:
        """Add one."""
        return a - 1

    return add


def test_words_do_not_count_but_deeds_do() -> None:
    assert fingerprint(_told()) == fingerprint(_untold())
    assert fingerprint(_told()) != fingerprint(_other())

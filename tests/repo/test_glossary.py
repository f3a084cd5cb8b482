# SPDX-License-Identifier: GPL-2.0-only
"""The glossary: in order, each word once, each with a page that tells more."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8")
SECTIONS = PAGE.split("\n## ")[1:]
ENTRY = re.compile(r"^- \*\*`?(?P<term>[^*`]+)`?\*\*: (?P<text>.*)$", re.MULTILINE)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.splitlines()[0])
def test_words_are_in_order(section: str) -> None:
    terms = [found["term"].lower() for found in ENTRY.finditer(section)]
    assert len(terms) == section.count("\n- ")
    assert all(a < b for a, b in pairwise(terms)), terms


def test_each_word_is_explained_once_and_on_a_page_of_its_own() -> None:
    entries = {found["term"]: found["text"] for found in ENTRY.finditer(PAGE)}
    assert len(entries) == PAGE.count("\n- ")
    unlinked = [term for term, text in entries.items() if "](" not in text]
    # Another entry tells of it.
    assert unlinked == ["blocked"]

# SPDX-License-Identifier: GPL-2.0-only
"""What the README and the docs show does run, and prints what they say.

A fenced block marked ``python`` is run, all blocks of a file in one namespace. A
block marked ``output`` behind it is what it prints. ``python no-run: REASON`` is
not run. Examples with ``>>>`` are run as doctests.
"""

from __future__ import annotations

import doctest
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from attrs import frozen

from pykmm import explore
from pykmm.cli.words import drawn
from pykmm.errno import ESRCH
from pykmm.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
PAGES = [page for page in [ROOT / "README.md"] if page.exists()]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})(.*)$")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_ANCHOR = re.compile(r"\]\(([^)#\s]*)#([^)\s]*)\)")
_NO_RUN = re.compile(r"no-run: \S.*")


@frozen
class Block:
    """A fenced block: its marks, its text, and the line where the text begins."""

    language: str
    marks: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a Markdown page."""
    fence, indent, info, first, lines = "", 0, "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), 1):
        match = _FENCE.match(line)
        if not fence and match:
            fence, indent, info = match[2], len(match[1]), match[3].strip()
            first, lines = number + 1, []
        elif fence and match and match[2].startswith(fence) and not match[3].strip():
            language, _, marks = info.partition(" ")
            yield Block(language, marks.strip(), "".join(lines), first)
            fence = ""
        elif fence:
            lines.append(line[min(indent, len(line) - len(line.lstrip())) :] + "\n")
    assert not fence, f"the block at line {first} has no end"


def run(page: str, name: str) -> None:
    """Run a page's Python blocks in order and compare what they print."""
    namespace: dict[str, object] = {"__name__": "__page__"}
    printed: str | None = None
    for block in blocks(page):
        if block.language == "output":
            assert printed is not None, f"{name}:{block.line}: output of nothing"
            assert printed.rstrip() == block.text.rstrip(), f"{name}:{block.line}"
        printed = None
        if block.language == "python":
            if block.marks:
                assert _NO_RUN.fullmatch(block.marks), (
                    f"{name}:{block.line}: write 'python', or 'python no-run: REASON'"
                )
            else:
                printed = _run_block(block, name, namespace)


def _run_block(block: Block, name: str, namespace: dict[str, object]) -> str:
    out = io.StringIO()
    if re.search(r"^ *>>>", block.text, re.MULTILINE):
        test = doctest.DocTestParser().get_doctest(
            block.text, namespace, name, name, block.line
        )
        result = doctest.DocTestRunner(verbose=False).run(
            test, out=out.write, clear_globs=False
        )
        namespace.update(test.globs)
        assert result.failed == 0, out.getvalue()
        return ""
    # Line numbers in a traceback are the page's.
    code = compile("\n" * (block.line - 1) + block.text, name, "exec")
    with redirect_stdout(out):
        exec(code, namespace)
    return out.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [
        link
        for link in links
        if "://" not in link and not (page.parent / link).exists()
    ] == []


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links, as forges do it."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {word.replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_anchors_lead_to_a_heading(page: Path) -> None:
    links = _ANCHOR.findall(page.read_text(encoding="utf-8"))
    dead = [
        f"{target}#{anchor}"
        for target, anchor in links
        if "://" not in target
        and anchor not in anchors(page.parent / target if target else page)
    ]
    assert dead == []


def test_the_drawing_in_the_readme_is_drawn() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = [b.text for b in blocks(page) if b.text.startswith("   step")]
    scenario = SCENARIOS["mrelease-vs-exit"]
    (outcome,) = [o for o in explore(scenario).outcomes if o.value == -ESRCH]
    lines = iter(drawn(outcome.trace).splitlines())
    assert [
        line
        for line in shown.splitlines()
        if not any(other.startswith(line) for other in lines)
    ] == []


GOOD = {
    "one namespace": "```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n",
    "output": "```python\nprint('a')\n```\n\nwhich prints\n\n```output\na\n```\n",
    "not run": "```python no-run: shows a mistake\n1 / 0\n```\n",
    "another language": "```sh\nexit 1\n```\n",
    "doctest": "```python\n>>> y = 2\n>>> y\n2\n```\n```python\nassert y == 2\n```\n",
    "in a list": "- do\n  ```python\n  if True:\n      z = 1\n  ```\n",
    "a longer fence": "````text\n```python\n1 / 0\n```\n````\n",
}
BAD = {
    "an exception": "```python\n1 / 0\n```\n",
    "other output": "```python\nprint('a')\n```\n```output\nb\n```\n",
    "output of nothing": "```output\nb\n```\n",
    "no reason": "```python no-run\npass\n```\n",
    "no end": "```python\npass\n",
    "doctest": "```python\n>>> 1 + 1\n3\n```\n",
}


@pytest.mark.parametrize("page", GOOD.values(), ids=GOOD)
def test_good_page_passes(page: str) -> None:
    run(page, "page.md")


@pytest.mark.parametrize("page", BAD.values(), ids=BAD)
def test_bad_page_fails(page: str) -> None:
    with pytest.raises((AssertionError, ZeroDivisionError)):
        run(page, "page.md")


def test_traceback_names_the_line_of_the_page() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run("one\n\n```python\nx = 1\n1 / 0\n```\n", "page.md")
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno + 1) == (
        "page.md",
        5,
    )

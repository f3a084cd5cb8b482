# SPDX-License-Identifier: GPL-2.0-only
"""``--kmm-ktap``: the results of a suite for the kernel's test tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.ktap_parser import Found, parse

if TYPE_CHECKING:
    from tests.pytest_plugin.conftest import Suite

pytestmark = pytest.mark.slow

SUITE = """
@pytest.mark.kmm_explore
def test_race(kmm_machine):
    assert count(kmm_machine) == 2

@pytest.mark.kmm_explore(outcomes=[1, 2])
def test_counted(kmm_machine):
    return count(kmm_machine)

@pytest.mark.skip(reason="no # time")
def test_skipped(): ...

@pytest.mark.xfail(reason="known")
def test_known():
    assert False

@pytest.mark.xfail
def test_mended(): ...

@pytest.fixture
def nothing():
    raise ValueError("no")

def test_without(nothing): ...

@pytest.fixture
def something():
    yield
    raise ValueError("no more")

def test_before_the_end(something): ...

@pytest.mark.parametrize("text", ["a#b"])
def test_name(text): ...
"""


def results(pytester: pytest.Pytester) -> list[Found]:
    return parse((pytester.path / "results.ktap").read_text(encoding="utf-8"))


def test_each_file_is_a_test_and_its_tests_are_in_their_order(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    suite(SUITE, "--kmm-ktap", "results.ktap")
    (file,) = results(pytester)
    assert (file.name, file.ok) == ("test_it.py", False)
    assert [(test.name, test.ok, test.directive) for test in file.parts] == [
        ("test_race", False, ""),
        ("test_counted", True, ""),
        ("test_skipped", True, "SKIP"),
        ("test_known", True, "XFAIL"),
        ("test_mended", True, ""),
        ("test_without", False, "ERROR"),
        ("test_before_the_end", False, "ERROR"),
        ("test_name[a_b]", True, ""),
    ]
    assert file.part("test_skipped").data == "no # time"
    assert file.part("test_known").data == "known"
    assert file.part("test_before_the_end").data == "in teardown"


def test_failures_are_told_with_the_line_that_replays_them(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    suite(SUITE, "--kmm-ktap", "results.ktap")
    (file,) = results(pytester)
    race = file.part("test_race")
    assert any(line.startswith("replay: python -m pytest ") for line in race.told)
    counted = file.part("test_counted")
    assert counted.data == "complete"
    assert counted.told[0] == "test_counted: 2 outcomes"


def test_what_cannot_be_imported_is_an_error(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    suite("import nothing_of_the_kind", "--kmm-ktap", "results.ktap")
    (file,) = results(pytester)
    (test,) = file.parts
    assert (test.name, test.directive, test.data) == (
        "import",
        "ERROR",
        "not collected",
    )


def test_several_processes_write_one_file(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    pytest.importorskip("xdist")
    suite(SUITE, "-n2", "--kmm-ktap", "results.ktap", apart=True)
    (file,) = results(pytester)
    assert [test.ok for test in file.parts] == [
        *(False, True, True, True, True),
        *(False, False, True),
    ]


def test_a_file_that_cannot_be_is_refused_at_once(suite: Suite) -> None:
    result = suite("def test(): ...", "--kmm-ktap", "nowhere/results.ktap")
    result.stderr.fnmatch_lines(
        ["*--kmm-ktap nowhere/results.ktap is in no directory: name another file"]
    )

# SPDX-License-Identifier: GPL-2.0-only
"""What is told of a data race, and how often."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pykmm.detect import Kcsan
from pykmm.engine import Machine, PlainCell
from pykmm.runner import explore, replay
from pykmm.scenario import Scenario
from tests.detect.programs import Body, found, races, start

TEXT = """\
BUG: data-race in write() / look()

  t0 writes PlainCell#1 and t1 reads it, and nothing orders the two

  write          by t0 at step 1  write
  read           by t1 at step 3  look
  value changed  0 -> 7
  found in       t1               look

replay: t0*2 t1*2
"""


def one_writes_seven(_: Machine) -> Sequence[Body]:
    x = PlainCell(0)

    def write() -> None:
        x.set(7)

    def look() -> int:
        return x.get()

    return [write, look]


def test_a_report_shows_both_sides_and_the_change() -> None:
    report = found(one_writes_seven)
    assert report is not None
    assert report.render() == TEXT


@pytest.mark.parametrize("schedule", ["0011", "1100"])
def test_whoever_is_second_it_is_the_write_that_changes(schedule: str) -> None:
    report = found(one_writes_seven, schedule)
    assert report is not None
    assert dict(report.facts)["value changed"] == "0 -> 7"


def test_of_two_writes_the_later_one_is_told() -> None:
    def two(_: Machine) -> Sequence[Body]:
        x = PlainCell(0)
        return [lambda: x.set(1), lambda: x.set(2)]

    report = found(two)
    assert report is not None
    assert dict(report.facts)["value changed"] == "1 -> 2"


def test_both_orders_of_a_race_are_one_report_and_hide_no_outcome() -> None:
    def program(m: Machine) -> object:
        x = PlainCell(0)
        m.thread("w", lambda: x.set(1))
        reader = m.thread("r", x.get)
        m.run()
        return reader.result

    scenario = Scenario(name="race", function=program, machine=Machine)
    result = explore(scenario)
    assert sorted(result.values) == [0, 1]
    (report,) = result.reports
    assert report.kind == "data-race"
    again = replay(scenario, report.schedule)
    assert [finding.summary for finding in again.findings] == [report.summary]
    assert again.report is None
    ended = replay(scenario, report.schedule, report=report)
    assert ended.report is not None
    assert ended.report.summary == report.summary


def test_all_races_of_an_execution_are_found() -> None:
    def program(_: Machine) -> Sequence[Body]:
        cells = [PlainCell(0) for _ in range(3)]

        def write() -> None:
            for cell in cells:
                cell.set(1)

        return [write, write]

    assert len(races(program)) == 3


def test_a_plain_write_stands_for_what_came_before_it() -> None:
    def three(_: Machine) -> Sequence[Body]:
        x = PlainCell(0)
        return [lambda: x.set(1), lambda: x.set(2), x.get]

    told: list[str] = []
    with Machine(observers=[Kcsan(lambda race: told.append(race.summary))]) as m:
        start(m, three)
    assert told == [
        "t0 writes PlainCell#1 and t1 writes it, and nothing orders the two",
        "t1 writes PlainCell#1 and t2 reads it, and nothing orders the two",
    ]

"""Small scenarios in all orders of their tasks, and the search itself."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from _pytest.mark import ParameterSet

from tests.model.orders import MOST, Explored, explored, main
from tests.model.scenarios import SCENARIOS
from tests.model.stage import Play, Scenario, Stage, outcomes
from tests.model.turns import Choices, UnsteadyError, new_loop, orders
from tests.support.amounts import amount

QUICK = [each for each in SCENARIOS.values() if not each.slow]
SLOW = [each for each in SCENARIOS.values() if each.slow]


def marked(each: Scenario) -> ParameterSet:
    """Name a scenario; one with a known defect must be red."""
    marks = [pytest.mark.xfail(reason=each.defect, strict=True)] if each.defect else []
    return pytest.param(each, id=each.name, marks=marks)


@pytest.mark.parametrize("scenario", [marked(each) for each in QUICK])
def test_every_order_is_right(scenario: Scenario) -> None:
    """In every order of its tasks a scenario has one of the outcomes that are right, and leaves nothing."""
    result = explored(scenario)
    assert {} == result.wrong, str(result)


@pytest.mark.gate("thousands of orders")
@pytest.mark.loop(timeout=120)
@pytest.mark.parametrize("scenario", [marked(each) for each in SLOW])
def test_every_order_of_a_large_tree_is_right(scenario: Scenario) -> None:
    """The same, where each scenario has hundreds of orders; of thousands, the night tries the rest."""
    result = explored(scenario, amount(1_000, 1_000, MOST + 1))
    assert {} == result.wrong, str(result)


# -- the search ----------------------------------------------------------------------------------------------


def run_in_all_orders(program: Callable[[list[str]], object]) -> list[str]:
    """What a program writes in each of its orders."""

    def once(choices: Choices) -> str:
        written: list[str] = []

        async def begin() -> None:
            program(written)
            await asyncio.sleep(1)

        loop = new_loop(choices)
        try:
            loop.run_until_complete(begin())
        finally:
            loop.close()
        return "".join(written)

    return [written for _, written in orders(once)]


@pytest.mark.no_eager_tasks("the order in which tasks start")
def test_each_order_of_tasks_comes_once() -> None:
    """Three tasks of one turn run in all six orders, each of them once."""

    def program(written: list[str]) -> None:
        async def write(letter: str) -> None:
            written.append(letter)

        kept.append([asyncio.ensure_future(write(letter)) for letter in "abc"])

    kept: list[object] = []
    assert ["abc", "acb", "bac", "bca", "cab", "cba"] == run_in_all_orders(program)


@pytest.mark.no_eager_tasks("the order in which tasks start")
def test_the_steps_of_a_task_stay_in_order() -> None:
    """Two tasks of two steps meet in each turn anew; no task is a turn behind the other one."""

    def program(written: list[str]) -> None:
        async def write(letters: str) -> None:
            written.append(letters[0])
            await asyncio.sleep(0)
            written.append(letters[1])

        kept.append([asyncio.ensure_future(write(letters)) for letters in ("ab", "xy")])

    kept: list[object] = []
    assert ["axby", "axyb", "xaby", "xayb"] == run_in_all_orders(program)


@pytest.mark.no_eager_tasks("the order in which tasks start")
def test_callbacks_stay_in_order() -> None:
    """Callbacks run in the order of `call_soon`; a task may go on before, between and after them."""

    def program(written: list[str]) -> None:
        async def write() -> None:
            written.append("x")

        loop = asyncio.get_running_loop()
        loop.call_soon(written.append, "a")
        kept.append(asyncio.ensure_future(write()))
        loop.call_soon(written.append, "b")

    kept: list[object] = []
    assert ["abx", "axb", "xab"] == run_in_all_orders(program)


def test_timers_of_one_moment_have_no_order() -> None:
    """Timers that are due at the same moment fire in any order, and those of different moments in theirs."""

    def program(written: list[str]) -> None:
        loop = asyncio.get_running_loop()
        for moment, letter in ((0.25, "a"), (0.25, "b"), (0.5, "c")):
            loop.call_at(moment, written.append, letter)

    assert ["abc", "bac"] == sorted(run_in_all_orders(program))


def test_a_program_that_draws_is_refused() -> None:
    """What does not do the same with the same choices cannot be repeated; that is an error, not a result."""
    letters = iter("abcdefgh")

    def program(_: list[str]) -> None:
        async def wait() -> None:
            await asyncio.sleep(0)

        names = ("x", next(letters))
        kept.append([asyncio.get_running_loop().create_task(wait(), name=name) for name in names])

    kept: list[object] = []
    with pytest.raises(UnsteadyError, match="after the same choices there were others"):
        run_in_all_orders(program)


# -- what is noted -------------------------------------------------------------------------------------------


def outcomes_of(play: Play) -> Explored:
    """Explore a scenario for which nothing is right."""
    return explored(Scenario("scenario", "", play, []))


async def lost_update(stage: Stage) -> None:
    """Count to two, unless the second one counts before the first one has written."""
    count = 0

    async def slow() -> None:
        nonlocal count
        await stage.until(1)
        before = count
        await asyncio.sleep(0)
        count = before + 1

    async def quick() -> None:
        nonlocal count
        await stage.until(1)
        await asyncio.sleep(0)
        count += 1

    await stage.play(slow=slow(), quick=quick())
    stage.note("count", count)


def test_a_wrong_order_is_found_and_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An update that only one order loses is found; the order that is printed repeats it, step by step."""
    right = outcomes(slow="end", quick="end", count="2")
    monkeypatch.setitem(SCENARIOS, "lost", Scenario("lost", "No update is lost.", lost_update, right))
    assert 1 == main(["lost"])
    printed = capsys.readouterr().out
    assert "lost: 2 of 4 orders are wrong.\n  count: 1; quick: end; slow: end\n" in printed
    *_, order = printed.split("--order ", 1)[1].splitlines()[0].split()
    assert 1 == main(["lost", "--order", order])
    assert "WRONG: count: 1; quick: end; slow: end\n" in capsys.readouterr().out


async def _leave_a_task(_: Stage) -> None:
    circle: list[object] = [asyncio.create_task(asyncio.Event().wait(), name="forgotten")]
    circle.append(circle)


async def _leave_a_timer(_: Stage) -> None:
    asyncio.get_running_loop().call_later(1, print)


async def _leave_a_generator(stage: Stage) -> None:
    generator = stage.source("source", "a")()
    await anext(generator)
    circle: list[object] = [generator]
    circle.append(circle)


async def _log(_: Stage) -> None:
    logging.getLogger("anywhere").warning("One two three four five six seven")


async def _wait_for_ever(stage: Stage) -> None:
    await stage.play(reader=asyncio.Event().wait())


async def _go_on_for_ever(_: Stage) -> None:
    while True:  # noqa: ASYNC110 - what is wrong is the point
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("play", "noted"),
    [
        (_leave_a_task, "left: task forgotten"),
        (_leave_a_timer, "left: timer"),
        (_leave_a_generator, "left: generator _source; source: a closed"),
        (_log, "log: WARNING One two three four five six"),
        (_wait_for_ever, "reader: waits for ever CancelledError"),
        (_go_on_for_ever, "scenario: EndlessError"),
    ],
)
def test_what_is_left_is_noted(play: Play, noted: str) -> None:
    """The outcome has every task, timer, open generator and log line that is left, and what never ends."""
    assert [noted] == [*outcomes_of(play).wrong]

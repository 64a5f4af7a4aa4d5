"""The corpus notices wrong types: all mutations fit the package, some are tried (the script tries all)."""

import pytest

from tests.typing.checkers import ROOT, TIMEOUT, run
from tests.typing.mistakes import MUTATIONS, SOME, Mutation

pytestmark = pytest.mark.loop(timeout=TIMEOUT)


def test_the_mutations_are_many() -> None:
    """At least ten are recorded, each with a sentence of its own."""
    assert len({each.says for each in MUTATIONS}) == len(MUTATIONS)
    assert len(MUTATIONS) >= 10


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: str(mutation.says))
def test_a_mutation_fits(mutation: Mutation) -> None:
    """What it replaces stands in the package, once."""
    text = (ROOT / "miniagents" / mutation.file).read_text(encoding="utf-8")
    assert mutation.applied(text) != text


@pytest.mark.parametrize("old", ["nowhere", "twice"])
def test_one_that_does_not_fit_is_told_of(old: str) -> None:
    """A text that is not there, or not only once, is an error that names the mutation and the file."""
    mutation = Mutation("it is wrong", "agents/_agent.py", old, "new")
    with pytest.raises(ValueError, match=r"'it is wrong' .* once in miniagents/agents/_agent.py"):
        mutation.applied("twice, twice")


@pytest.mark.gate("mypy reads the corpus once for each mistake")
def test_some_are_noticed() -> None:
    """The corpus is green as it is, and red with each of those that every run tries."""
    done = run("tests.typing.mutations", "--some")
    assert (0, "") == (done.code, done.err), done.out
    assert done.out.count(" complaints if ") == len(SOME) >= 10, done.out

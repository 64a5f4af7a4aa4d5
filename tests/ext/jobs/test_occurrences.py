"""``Occurrences``: a count of digests that takes little memory."""

from collections import Counter
from hashlib import sha256
from sys import getsizeof

from hypothesis import given, strategies as st

from miniagents.ext.jobs._occurrences import Occurrences


@given(st.lists(st.integers(0, 40), max_size=300))
def test_as_a_counter(numbers: list[int]) -> None:
    """It counts as a `Counter` does."""
    seen, counter = Occurrences(), Counter[int]()
    for number in numbers:
        digest = sha256(b"%d" % number).digest()
        assert counter[number] == seen.count(digest)
        counter[number] += 1


def test_it_grows_and_stays_small() -> None:
    """Of 20,000 digests it takes at most 36 bytes each, and knows all of them."""
    seen = Occurrences()
    digests = [sha256(b"%d" % number).digest() for number in range(20_000)]
    assert {0} == {seen.count(digest) for digest in digests}
    assert {1} == {seen.count(digest) for digest in digests}
    assert getsizeof(seen._digests) + getsizeof(seen._counts) <= 36 * len(digests)

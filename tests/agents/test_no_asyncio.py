"""What happens on another event loop than asyncio's."""

import pytest

from miniagents import MiniAgents


def test_without_asyncio() -> None:
    """A13: under trio, where no loop of asyncio runs, a sentence says what to do."""

    async def main() -> None:
        async with MiniAgents():
            raise AssertionError

    with pytest.raises(RuntimeError, match=r"MiniAgents runs on asyncio, .*backend='asyncio'. Trio is not"):
        main().send(None)  # as a loop does that is not asyncio's

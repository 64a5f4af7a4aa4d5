"""What streams into a slot of a prompt streams through it; images and files keep their places."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping

import pytest

from miniagents import (
    AssistantMessage,
    File,
    Image,
    InteractionContext,
    Message,
    MessagePromise,
    MiniAgents,
    Reasoning,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
    miniagent,
    partial_text,
    prompt,
)

_CAT = Image(url="https://example.org/cat.png")


def _written(*tokens: str | Exception, every: float = 1.0) -> MessagePromise[Message]:
    """A message, of which a token comes each second."""

    async def write(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
        for token in tokens:
            await asyncio.sleep(every)
            if isinstance(token, Exception):
                raise token
            yield token

    return AssistantMessage.promise(write)


async def _timed(message: MessagePromise[Message]) -> list[tuple[float, str]]:
    """When each token came, in seconds."""
    began = asyncio.get_running_loop().time()
    return [(asyncio.get_running_loop().time() - began, token) async for token in message]


@pytest.mark.loop(virtual=True)
async def test_tokens_flow_through_at_once() -> None:
    """The text before a slot goes on at once, then each token of the slot when it comes."""
    async with MiniAgents():
        agent = prompt("Summarise in {language}: {text}, please.", language=_written("Fre", "nch"))
        (message,) = [each async for each in agent.inquire(_written("a", "b", "c"))]
        assert [
            (0, "Summarise in "),
            (1, "Fre"),
            (2, "nch"),
            (2, ": "),
            (2, "a"),
            (2, "b"),
            (3, "c"),
            (3, ", please."),
        ] == await _timed(message)
        assert UserMessage("Summarise in French: abc, please.") == await message


@pytest.mark.loop(virtual=True)
async def test_each_message_of_a_prompt_flows_by_itself() -> None:
    """The messages of a prompt do not wait for each other; what is sent is read once for all slots."""
    reads = 0

    async def tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
        nonlocal reads
        reads += 1
        for token in "ab":
            await asyncio.sleep(1)
            yield token

    async with MiniAgents():
        replies = prompt(SystemMessage("You know {text}."), "{text}, {text}!").inquire(
            Message.promise(tokens)
        )
        system, user = [each async for each in replies]
        assert [(0, "You know "), (1, "a"), (2, "b"), (2, ".")] == await _timed(system)
        assert "ab, ab!" == str(await user)
    assert 1 == reads


@pytest.mark.loop(virtual=True)
async def test_an_error_in_a_slot() -> None:
    """It comes where it stands, the very exception, after what came before it."""
    error = ValueError("the line was cut")
    async with MiniAgents():
        replies = prompt("Summarise: {text}!").inquire(_written("half", error))
        seen = list[str]()

        async def read() -> None:
            async for token in replies.tokens:
                seen.append(token)

        with pytest.raises(ValueError, match="the line was cut") as caught:
            await read()
        assert error is caught.value
        assert ["Summarise: ", "half"] == seen
        assert "half" == partial_text(error)  # of the message that failed first


@pytest.mark.loop(virtual=True)
async def test_leaving_a_prompt_stops_what_fills_it() -> None:
    """When its reader has left, nobody reads what fills a slot any more, and that is stopped."""
    stopped = asyncio.Event()

    @miniagent
    async def endless(ctx: InteractionContext) -> None:
        async def tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
            try:
                while True:
                    await asyncio.sleep(1)
                    yield "more "
            finally:
                stopped.set()

        ctx.reply(Message.promise(tokens))

    async with MiniAgents():
        replies = (endless | prompt("Go on: {text}")).inquire()
        async for message in replies:
            async for token in message:
                if token.startswith("more"):
                    break
            del message
            break
        del replies
        await asyncio.wait_for(stopped.wait(), 10)


@pytest.mark.loop(virtual=True)
async def test_cancelling_a_prompt_harms_no_other_reader() -> None:
    """What fills a slot is somebody else's: it goes on when the prompt is cancelled."""
    async with MiniAgents():
        source = _written("a", "b", "c")
        agent = prompt("{text}!").inquire(source)
        message = await anext(aiter(agent))
        assert "a" == await anext(aiter(message))
        agent.cancel()
        message.cancel()
        assert "abc" == str(await source)


async def test_images_stay_in_their_places() -> None:
    """Images and files of what fills a slot are parts of the prompt; its calls and thoughts are not."""
    scan = File(data=b"%PDF-1.7")
    shown = UserMessage(parts=["A ", _CAT, " and"])
    said = AssistantMessage(parts=[Reasoning("Hm."), "b", scan])
    async with MiniAgents():
        (message,) = await prompt("Who is {it}, {name}?", name="Bo").inquire([shown, said])
    assert isinstance(message, UserMessage)
    assert ("Who is A ", _CAT, " and\n\nb", scan, ", Bo?") == message.parts
    assert "Who is A  and\n\nb, Bo?" == message.text
    async with MiniAgents():
        with pytest.raises(TypeError, match="for a slot of a SystemMessage, which has a text only"):
            await prompt(SystemMessage("See {it}.")).inquire(shown)
        (message,) = await prompt(SystemMessage("See {it}.")).inquire(said.model_copy(update={"parts": ()}))
        assert SystemMessage("See b.") == message


async def test_what_writes_nothing_leaves_no_empty_lines() -> None:
    """Calls of tools, their results and empty messages leave no empty lines in a slot; images do."""
    calls = AssistantMessage(parts=[ToolCall("1", "add", "{}")])
    result = ToolMessage(parts=[ToolResult("1", "3")])
    said: list[str | Message] = ["", calls, result, "The sum is 3.", "", UserMessage(parts=[_CAT]), "b"]
    async with MiniAgents():
        (message,) = await prompt("Judge: {text}!").inquire(said)
    assert isinstance(message, UserMessage)
    assert ("Judge: The sum is 3.\n\n", _CAT, "\n\nb!") == message.parts

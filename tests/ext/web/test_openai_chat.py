"""Chat Completions: what is written, and what OpenAI's client and our own agent make of it."""

import json
from collections.abc import Collection, Iterable
from random import Random

import pytest
from openai import APIError, AsyncOpenAI, InternalServerError
from openai.types.chat import ChatCompletion as Completion, ChatCompletionChunk as Chunk

from miniagents import AssistantMessage, MiniAgents
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.web._frames import Ending, Frame, MessageBegan, MessagePart, RunEnded
from miniagents.ext.web._openai_answer import AnswerHead
from miniagents.ext.web._openai_chat import ChatCompletionEncoder
from miniagents.values import (
    Citation,
    Finish,
    Reasoning,
    Refusal,
    Restart,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from tests.support.amounts import amount
from tests.support.openai_clients import check_any_run, client_of, streamed, whole
from tests.support.run_frames import drawn_run, message, run_of, tool_run

AT = 1_700_000_000
HEAD = AnswerHead("chatcmpl-1", "poet", AT)
CALL = ToolCallDelta(0, "call-1", "weather", '{"city": "Oslo"}')


async def chunks(frames: Iterable[Frame], *, usage: bool = False, tools: Collection[str] = ()) -> list[Chunk]:
    encoder = ChatCompletionEncoder(HEAD, usage=usage, tools=tools)
    async with client_of(streamed(encoder, frames)) as client:
        stream = await client.chat.completions.create(model="poet", messages=[], stream=True)
        return [chunk async for chunk in stream]


async def completion(frames: Iterable[Frame], tools: Collection[str] = ()) -> Completion:
    async with client_of(whole(ChatCompletionEncoder(HEAD, tools=tools), frames)) as client:
        return await client.chat.completions.create(model="poet", messages=[])


def said(told: Iterable[Chunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in told for choice in chunk.choices)


class TestStream:
    async def test_text(self) -> None:
        """The first chunk says whose the answer is, each piece is a chunk, the last one says why it ended."""
        first, *told, last = await chunks(run_of("Hel", "lo", Finish("end_turn")))
        assert ("assistant", "") == (first.choices[0].delta.role, first.choices[0].delta.content)
        assert "Hello" == said(told)
        assert "stop" == last.choices[0].finish_reason
        heads = {(each.id, each.object, each.created, each.model) for each in (first, *told, last)}
        assert {("chatcmpl-1", "chat.completion.chunk", AT, "poet")} == heads

    async def test_usage_only_when_asked_for(self) -> None:
        """The chunk with the tokens has no choices, comes last, and only if it was asked for."""
        frames = run_of("Hi", Usage(7, 3, cached_tokens=2, reasoning_tokens=1))
        assert all(each.choices and each.usage is None for each in await chunks(frames))
        *told, last = await chunks(frames, usage=True)
        assert all(each.choices and each.usage is None for each in told)
        assert [] == last.choices
        assert last.usage is not None
        assert (7, 3, 10) == (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens)

    async def test_unknown_tokens_are_zero(self) -> None:
        """W13: clients need a count; where none is known, it is zero."""
        (counted,) = [each.usage for each in await chunks(run_of("Hi"), usage=True) if not each.choices]
        whole = ChatCompletionEncoder()
        for frame in run_of("Hi"):
            whole.take(frame)
        told = whole.response()[1]["usage"]
        assert counted is not None
        assert {**counted.model_dump(exclude_none=True)} == told
        assert (0, 0, 0) == (counted.prompt_tokens, counted.completion_tokens, counted.total_tokens)

    async def test_tools_of_the_server_are_not_told(self) -> None:
        """Neither calls nor results of the server's tools are told; the texts around them are."""
        told = await chunks(tool_run(), tools=["weather"])
        assert "Let me look.\n\nIt is 12 °C." == said(told)
        assert not [choice for each in told for choice in each.choices if choice.delta.tool_calls]
        assert "stop" == told[-1].choices[0].finish_reason

    async def test_tools_of_the_client(self) -> None:
        """A call that nobody answered is told to a client that named the tool, whole, and to no other."""
        frames = run_of("Let me look.", CALL, Finish("tool_use"))
        *_, calling, last = await chunks(frames, tools=["weather"])
        (call,) = calling.choices[0].delta.tool_calls or []
        assert call.function is not None
        assert ("call-1", "weather") == (call.id, call.function.name)
        assert '{"city": "Oslo"}' == call.function.arguments
        assert "tool_calls" == last.choices[0].finish_reason
        assert "stop" == (await chunks(frames, tools=["other"]))[-1].choices[0].finish_reason

    async def test_reasoning(self) -> None:
        """Thoughts stand beside the text, under the name that other servers give them; blocks apart."""
        told = await chunks(run_of(Reasoning("One."), Reasoning("Two.", index=1), "Hi"))
        thoughts = [
            (choice.delta.model_extra or {}).get("reasoning_content")
            for each in told
            for choice in each.choices
        ]
        assert "One.\n\nTwo." == "".join(thought for thought in thoughts if thought)
        assert "Hi" == said(told)

    async def test_refusal(self) -> None:
        """A refusal is one."""
        told = await chunks(run_of(Refusal("I cannot.")))
        assert ["I cannot."] == [
            choice.delta.refusal for each in told for choice in each.choices if choice.delta.refusal
        ]

    async def test_an_answer_that_begins_anew(self) -> None:
        """What was streamed cannot be taken back: one text, or an error, and never two texts."""
        assert "right" == said(await chunks(run_of(Reasoning("hm"), Restart(), "right")))
        for frames in (
            run_of("wrong", Restart(), "right"),
            [*message(0, "One."), *message(1, "wro", Restart(), "Two."), RunEnded("finished")],
        ):
            with pytest.raises(APIError, match=r"^The text above was withdrawn"):
                await chunks(frames)

    async def test_messages_stand_apart(self) -> None:
        """Messages are one text, with an empty line between them."""
        assert "One\n\nTwo" == said(
            await chunks([*message(0, "One"), *message(1, "Two"), RunEnded("finished")])
        )

    @pytest.mark.parametrize("how", ["failed", "stopped", "lost"])
    async def test_errors_in_the_middle(self, how: Ending) -> None:
        """A run that did not come to its end is an error of the client, with its sentence."""
        frames: list[Frame] = [MessageBegan(0, "assistant"), MessagePart(0, "Hal"), RunEnded(how, "Sorry.")]
        with pytest.raises(APIError, match=r"^Sorry\.$") as raised:
            await chunks(frames)
        assert f"run_{how}" == raised.value.code

    async def test_cut(self) -> None:
        """A stream that ends before its run is an error, too."""
        with pytest.raises(APIError, match=r"^The answer was cut off\.$"):
            await chunks(message(0, "Hi"))

    @pytest.mark.parametrize(("reason", "told"), [("max_tokens", "length"), ("refusal", "content_filter")])
    async def test_cut_models(self, reason: str, told: str) -> None:
        """Why a model was cut is told in their words."""
        assert told == (await chunks(run_of("Hi", Finish(reason))))[-1].choices[0].finish_reason

    def test_always_done(self) -> None:
        """The mark of the end always comes last."""
        for frames in (run_of("Hi"), [RunEnded("failed")], []):
            assert streamed(ChatCompletionEncoder(), frames).content.endswith(b"data: [DONE]\n\n")


class TestWhole:
    async def test_text(self) -> None:
        """A whole answer has the text, why it ended, and the tokens."""
        told = await completion(run_of("Hel", "lo", Usage(7, 3), Finish("stop")))
        assert ("Hello", "stop") == (told.choices[0].message.content, told.choices[0].finish_reason)
        assert told.usage is not None
        assert 10 == told.usage.total_tokens
        assert ("chat.completion", AT, "poet") == (told.object, told.created, told.model)

    async def test_tools(self) -> None:
        """The server's tools are not told, and those of the client are left to it."""
        told = (await completion(tool_run(), ["weather"])).choices[0]
        assert ("Let me look.\n\nIt is 12 °C.", None) == (told.message.content, told.message.tool_calls)
        left = (await completion(run_of(CALL), ["weather"])).choices[0]
        assert (None, "tool_calls") == (left.message.content, left.finish_reason)
        assert 1 == len(left.message.tool_calls or ())

    async def test_answered_calls_are_not_left(self) -> None:
        """A call that was answered in the same message is none of the client's, whoever named the tool."""
        told = await completion(run_of(CALL, ToolResult("call-1", "12"), "12 °C"), ["weather"])
        assert ("12 °C", None) == (told.choices[0].message.content, told.choices[0].message.tool_calls)

    async def test_only_what_was_not_withdrawn(self) -> None:
        """What was withdrawn does not stand in it."""
        frames = [*message(0, "One."), *message(1, "wro", Restart(), "Two."), RunEnded("finished")]
        assert "One.\n\nTwo." == (await completion(frames)).choices[0].message.content

    async def test_citations(self) -> None:
        """Sources are annotations, at the place that they name, or where the text has come to."""
        cited = Citation("https://example.org", "Examples")
        (annotation,) = (await completion(run_of("Far north.", cited))).choices[0].message.annotations or []
        place = annotation.url_citation
        assert ("https://example.org", "Examples", 10) == (place.url, place.title, place.start_index)

    async def test_failed(self) -> None:
        """A run that failed is an error of the server with its sentence."""
        with pytest.raises(InternalServerError, match=r"It took too long\."):
            await completion([RunEnded("failed", "It took too long.")])


class TestOurAgent:
    """`openai_agent`, as a client of our own server."""

    async def test_streamed(self) -> None:
        """It reads the text, the thoughts, why it ended, and the tokens."""
        frames = run_of(Reasoning("North."), "Hel", "lo", Usage(7, 3), Finish("stop"))
        async with (
            client_of(streamed(ChatCompletionEncoder(HEAD, usage=True), frames)) as client,
            MiniAgents(),
        ):
            (answer,) = await openai_agent.inquire("Hi", model="poet", client=client)
        assert ("Hello", "North.", "stop") == (str(answer), answer.reasoning, answer.finish_reason)
        assert Usage(7, 3, 0, 0) == answer.usage

    async def test_reads_whatever_we_write(self) -> None:
        """Any run is read, streamed and whole, and only one that did not end well is an error."""

        async def ask(client: AsyncOpenAI, stream: bool) -> AssistantMessage:
            (answer,) = await openai_agent.inquire(
                "Hi", model="poet", client=client, stream=stream, max_retries=0
            )
            return answer

        await check_any_run(
            lambda frames: (
                streamed(ChatCompletionEncoder(HEAD, usage=True), frames),
                whole(ChatCompletionEncoder(HEAD), frames),
            ),
            ask,
        )


def test_chunks_are_objects() -> None:
    """Each event is the JSON of one object; nothing that a model writes makes another event."""
    for seed in range(amount(40, 150)):
        frames = drawn_run(Random(f"chat {seed}"))  # noqa: S311 - no secret
        body = streamed(ChatCompletionEncoder(HEAD), frames).content.decode()
        events = [each for each in body.split("\n\n") if each and not each.startswith(":")]
        assert "data: [DONE]" == events.pop()
        assert all(isinstance(json.loads(each.removeprefix("data: ")), dict) for each in events)

"""The Responses API: what is written, and what OpenAI's client and our own agent make of it."""

from collections.abc import Collection, Iterable, Sequence
from random import Random

import pytest
from openai import AsyncOpenAI, InternalServerError
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseFailedEvent,
    ResponseFunctionToolCall,
    ResponseIncompleteEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
)

from miniagents import AssistantMessage, MiniAgents
from miniagents.ext.llm.openai_responses import openai_responses_agent
from miniagents.ext.web._frames import Ending, Frame, MessageBegan, MessagePart, RunEnded
from miniagents.ext.web._openai_answer import AnswerHead
from miniagents.ext.web._openai_responses import ResponseEncoder
from miniagents.values import Citation, Finish, Reasoning, Refusal, Restart, ToolCallDelta, Usage
from tests.support.amounts import amount
from tests.support.openai_clients import check_any_run, client_of, streamed, whole
from tests.support.run_frames import drawn_run, message, run_of, tool_run

AT = 1_700_000_000
HEAD = AnswerHead("resp_1", "poet", AT)
CALL = ToolCallDelta(0, "call-1", "weather", '{"city": "Oslo"}')


@pytest.fixture(scope="module", autouse=True)
def _types_of_the_sdk() -> None:
    """The SDK makes its types at the first event, which takes a second; here no event loop waits."""
    ResponseCreatedEvent.construct(type="response.created", sequence_number=0, response={})


async def events(frames: Iterable[Frame], tools: Collection[str] = ()) -> list[ResponseStreamEvent]:
    async with client_of(streamed(ResponseEncoder(HEAD, tools=tools), frames)) as client:
        stream = await client.responses.create(model="poet", input="Hi", stream=True)
        return [event async for event in stream]


async def response(frames: Iterable[Frame], tools: Collection[str] = ()) -> Response:
    async with client_of(whole(ResponseEncoder(HEAD, tools=tools), frames)) as client:
        return await client.responses.create(model="poet", input="Hi")


def _end(told: Sequence[object]) -> Response:
    last = told[-1]
    response = getattr(last, "response", None)
    assert isinstance(response, Response)
    return response


def completed(told: list[ResponseStreamEvent]) -> Response:
    last = told[-1]
    assert isinstance(last, ResponseCompletedEvent)
    return last.response


class TestStream:
    async def test_text(self) -> None:
        """A text is an item, of one part, in pieces; the last event has the whole response."""
        told = await events(run_of("Hel", "lo", Usage(7, 3), Finish("stop")))
        assert [
            *("response.created", "response.in_progress"),
            *("response.output_item.added", "response.content_part.added"),
            *("response.output_text.delta", "response.output_text.delta", "response.output_text.done"),
            *("response.content_part.done", "response.output_item.done", "response.completed"),
        ] == [event.type for event in told]
        assert [*range(len(told))] == [event.sequence_number for event in told]
        assert ["Hel", "lo"] == [each.delta for each in told if isinstance(each, ResponseTextDeltaEvent)]
        last = completed(told)
        assert ("Hello", "completed", "poet") == (last.output_text, last.status, last.model)
        assert last.usage is not None
        assert (7, 3, 10) == (last.usage.input_tokens, last.usage.output_tokens, last.usage.total_tokens)

    async def test_the_helper_of_the_client(self) -> None:
        """The client's own helper, which is strict about events, comes to the same response of any run."""
        for seed in range(amount(20, 100)):
            frames = drawn_run(Random(f"helper {seed}"))  # noqa: S311 - no secret
            expected = _end(await events(frames))
            async with (
                client_of(streamed(ResponseEncoder(HEAD), frames)) as client,
                client.responses.stream(model="poet", input="Hi") as stream,
            ):
                told = [event async for event in stream]
            assert expected.output_text == _end(told).output_text, (seed, frames)

    async def test_whole_is_the_same(self) -> None:
        """A whole response is what a stream comes to."""
        assert (await response(tool_run())).to_dict() == completed(await events(tool_run())).to_dict()

    async def test_items(self) -> None:
        """A thought and a message are items; the server's calls and results are none."""
        first, second, third = completed(await events(tool_run(), ["weather"])).output
        assert isinstance(first, ResponseReasoningItem)
        assert ["North."] == [each.text for each in first.summary]
        assert isinstance(second, ResponseOutputMessage)
        assert isinstance(third, ResponseOutputMessage)
        assert 3 == len({first.id, second.id, third.id})

    async def test_tools_of_the_client(self) -> None:
        """A call that nobody answered is an item for a client that named the tool, and for no other."""
        told = await events(run_of("Let me look.", CALL, Finish("tool_use")), ["weather"])
        call = completed(told).output[-1]
        assert isinstance(call, ResponseFunctionToolCall)
        assert ("call-1", "weather", '{"city": "Oslo"}') == (call.call_id, call.name, call.arguments)
        assert "response.function_call_arguments.done" in [event.type for event in told]
        assert 1 == len(completed(await events(run_of("Let me look.", CALL))).output)

    async def test_refusal(self) -> None:
        """A refusal is a part of its own kind."""
        (item,) = completed(await events(run_of("Well. ", Refusal("I cannot.")))).output
        assert isinstance(item, ResponseOutputMessage)
        assert ["output_text", "refusal"] == [part.type for part in item.content]

    async def test_citations(self) -> None:
        """A source is an annotation of its text."""
        told = await events(run_of("Far north.", Citation("https://example.org", "Examples", start=0, end=3)))
        assert "response.output_text.annotation.added" in [event.type for event in told]
        (item,) = completed(told).output
        assert isinstance(item, ResponseOutputMessage)
        (part,) = item.content
        assert isinstance(part, ResponseOutputText)
        assert ["https://example.org"] == [
            each.url for each in part.annotations if each.type == "url_citation"
        ]

    async def test_withdrawn(self) -> None:
        """What is withdrawn ends as incomplete, and does not stand in the response."""
        frames = [*message(0, "One."), *message(1, "wro", Restart(), "Two."), RunEnded("finished")]
        told = await events(frames)
        done = [event.item for event in told if event.type == "response.output_item.done"]
        assert ["completed", "incomplete", "completed"] == [
            each.status for each in done if isinstance(each, ResponseOutputMessage)
        ]
        assert "One.Two." == completed(told).output_text

    async def test_each_message_is_one_of_its_own(self) -> None:
        """W13: the second message begins with its first word, and not with line ends."""
        told = await events([*message(0, "One."), *message(1, "Two."), RunEnded("finished")])
        done = [event.item for event in told if event.type == "response.output_item.done"]
        texts = [each.content[0].text for each in done if isinstance(each, ResponseOutputMessage)]  # type: ignore[union-attr]
        assert ["One.", "Two."] == texts

    @pytest.mark.parametrize(
        ("reason", "told"), [("max_tokens", "max_output_tokens"), ("refusal", "content_filter")]
    )
    async def test_cut_models(self, reason: str, told: str) -> None:
        """A response of a model that was cut is incomplete, and says why."""
        last = (await events(run_of("Hi", Finish(reason))))[-1]
        assert isinstance(last, ResponseIncompleteEvent)
        assert last.response.incomplete_details is not None
        assert told == last.response.incomplete_details.reason
        assert "incomplete" == (await response(run_of("Hi", Finish(reason)))).status

    @pytest.mark.parametrize("how", ["failed", "stopped", "lost"])
    async def test_errors_in_the_middle(self, how: Ending) -> None:
        """A run that did not come to its end is a failed response, with its sentence and what had come."""
        frames: list[Frame] = [MessageBegan(0, "assistant"), MessagePart(0, "Hal"), RunEnded(how, "Sorry.")]
        last = (await events(frames))[-1]
        assert isinstance(last, ResponseFailedEvent)
        assert last.response.error is not None
        assert ("Sorry.", "Hal") == (last.response.error.message, last.response.output_text)

    async def test_cut(self) -> None:
        """A stream that ends before its run is a failed response, too."""
        assert isinstance((await events(message(0, "Hi")))[-1], ResponseFailedEvent)


async def test_whole_that_failed() -> None:
    """A run that failed is an error of the server with its sentence."""
    with pytest.raises(InternalServerError, match=r"It took too long\."):
        await response([RunEnded("failed", "It took too long.")])


class TestOurAgent:
    """`openai_responses_agent`, as a client of our own server."""

    async def test_streamed(self) -> None:
        """It reads the text, the thoughts, and the tokens."""
        frames = run_of(Reasoning("North."), "Hel", "lo", Usage(7, 3), Finish("stop"))
        async with client_of(streamed(ResponseEncoder(HEAD), frames)) as client, MiniAgents():
            (answer,) = await openai_responses_agent.inquire("Hi", model="poet", client=client)
        assert ("Hello", "North.") == (str(answer), answer.reasoning)
        assert Usage(7, 3, 0, 0) == answer.usage

    @pytest.mark.parametrize("stream", [True, False])
    async def test_withdrawn(self, *, stream: bool) -> None:
        """What was withdrawn is not in its answer, and what stands before it is."""
        frames = [
            *message(0, Reasoning("North."), "One. "),
            *message(1, "wrong", Restart(), "Two."),
            RunEnded("finished"),
        ]
        told = streamed(ResponseEncoder(HEAD), frames) if stream else whole(ResponseEncoder(HEAD), frames)
        async with client_of(told) as client, MiniAgents():
            (answer,) = await openai_responses_agent.inquire("Hi", model="poet", client=client, stream=stream)
        assert ("One. Two.", "North.") == (str(answer), answer.reasoning)

    async def test_reads_whatever_we_write(self) -> None:
        """Any run is read, streamed and whole, and only one that did not end well is an error."""

        async def ask(client: AsyncOpenAI, stream: bool) -> AssistantMessage:
            (answer,) = await openai_responses_agent.inquire(
                "Hi", model="poet", client=client, stream=stream, max_retries=0
            )
            return answer

        await check_any_run(
            lambda frames: (
                streamed(ResponseEncoder(HEAD), frames),
                whole(ResponseEncoder(HEAD), frames),
            ),
            ask,
        )

"""UI message streams of the Vercel AI SDK: what is written, and what their real client makes of it."""

import json
from base64 import b64encode
from collections.abc import Iterable
from random import Random

import pytest

from miniagents.ext.web._frames import (
    Frame,
    FramePart,
    MessageBegan,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
)
from miniagents.ext.web._vercel import VercelEncoder, vercel_message_id
from miniagents.values import (
    AgentPart,
    Citation,
    File,
    Finish,
    Image,
    Reasoning,
    Refusal,
    Restart,
    ServerToolCall,
    ServerToolResult,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from tests.support.amounts import amount
from tests.support.run_frames import drawn_run, message, run_of, tool_run
from tests.support.vercel_chat import vercel_chat

Chunk = dict[str, object]


def written(frames: Iterable[Frame], message_id: str = "m") -> bytes:
    encoder = VercelEncoder(message_id)
    told = [encoder.encode(at, frame) for at, frame in enumerate(frames, 1)]
    return b"".join([encoder.begin(), *told, encoder.finish()])


def chunks(frames: Iterable[Frame]) -> list[Chunk]:
    events = written(frames).decode("utf-8").removesuffix("data: [DONE]\n\n").split("\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in events if event]


def inner(frames: Iterable[Frame]) -> list[Chunk]:
    """What stands between the beginning and the end of a run of one step."""
    told = chunks(frames)
    assert ["start", "start-step"] == [each["type"] for each in told[:2]]
    return told[2:-2]


class TestHeaders:
    def test_names_the_protocol(self) -> None:
        """The response names the protocol, and no proxy keeps it back or changes it."""
        assert "text/event-stream" == VercelEncoder.media_type
        assert "v1" == VercelEncoder.headers["x-vercel-ai-ui-message-stream"]
        assert "no" == VercelEncoder.headers["x-accel-buffering"]
        assert VercelEncoder.headers["cache-control"].startswith("no-cache")

    def test_message_id_does_not_give_the_run_away(self) -> None:
        """The id of the message is the same each time, and is not the id of the run, which gives access."""
        assert vercel_message_id("secret") == vercel_message_id("secret") != vercel_message_id("other")
        assert "secret" not in vercel_message_id("secret")

    def test_goes_on_with_a_message(self) -> None:
        """An answer that goes on with the client's own message gives it no other id."""
        assert b'data: {"type":"start"}\n\n' == VercelEncoder().begin()


class TestEnds:
    def test_finish(self) -> None:
        """A run that ended by itself finishes, with the tokens that are known."""
        last = chunks(run_of("Hi", Usage(7, 3, cached_tokens=2), Finish("stop")))[-1]
        usage = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10, "cachedInputTokens": 2}
        assert {"type": "finish", "finishReason": "stop", "messageMetadata": {"usage": usage}} == last

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("end_turn", "stop"),
            ("tool_calls", "stop"),
            ("max_tokens", "length"),
            ("refusal", "content-filter"),
        ],
    )
    def test_reasons(self, reason: str, told: str) -> None:
        """Reasons of providers become those that their client knows."""
        assert told == chunks(run_of("Hi", Finish(reason)))[-1]["finishReason"]

    @pytest.mark.parametrize(
        ("ended", "told"),
        [
            (
                RunEnded("stopped", "The answer was stopped."),
                {"type": "abort", "reason": "The answer was stopped."},
            ),
            (RunEnded("failed", "It took too long."), {"type": "error", "errorText": "It took too long."}),
            (RunEnded("failed"), {"type": "error", "errorText": "The agent failed."}),
            (RunEnded("lost"), {"type": "error", "errorText": "The answer was cut off."}),
        ],
    )
    def test_bad_ends(self, ended: RunEnded, told: Chunk) -> None:
        """A run that was stopped aborts; one that failed or was lost is an error; what was open is ended."""
        got = chunks([MessageBegan(0, "assistant"), MessagePart(0, "Hal"), ended])
        assert [{"type": "text-end", "id": "text-1"}, told] == got[-2:]

    def test_cut(self) -> None:
        """A stream that ends before its run does not look like a success."""
        assert {"type": "error", "errorText": "The answer was cut off."} == chunks(message(0, "Hi"))[-1]

    def test_always_ends_with_done(self) -> None:
        """The mark of the end always comes last."""
        for frames in (run_of("Hi"), [RunEnded("failed")], []):
            assert written(frames).endswith(b"data: [DONE]\n\n")


class TestTexts:
    def test_text(self) -> None:
        """Texts are pieces of one part; empty ones are left out."""
        begun, one, two, ended = inner(run_of("Hel", "", "lo"))
        assert ("text-start", "Hel", "lo", "text-end") == (
            begun["type"],
            one["delta"],
            two["delta"],
            ended["type"],
        )
        assert {"text-1"} == {each["id"] for each in (begun, one, two, ended)}

    def test_refusal_is_text(self) -> None:
        """A refusal is shown as a text."""
        assert "I cannot." == inner(run_of(Refusal("I cannot.")))[1]["delta"]

    def test_author(self) -> None:
        """A part says which agent and which model wrote it, if that is known."""
        frames: list[Frame] = [
            MessageBegan(0, "assistant", "POET", "gpt"),
            MessagePart(0, "Hi"),
            MessageEnded(0),
        ]
        (begun, *_) = inner([*frames, RunEnded("finished")])
        assert {"miniagents": {"agent": "POET", "model": "gpt"}} == begun["providerMetadata"]

    def test_reasoning(self) -> None:
        """A thought is a part of its own, and keeps what the provider wants back in the next turn."""
        parts: list[FramePart] = [Reasoning("Hm"), Reasoning("m."), Reasoning(signature="sig"), "Hi"]
        told = inner(run_of(*parts))
        assert ["reasoning-start", "reasoning-delta", "reasoning-delta", "reasoning-end"] == [
            each["type"] for each in told[:4]
        ]
        assert {"miniagents": {"signature": "sig"}} == told[3]["providerMetadata"]

    def test_thoughts_of_two_blocks(self) -> None:
        """Thoughts of two blocks are two parts."""
        told = inner(run_of(Reasoning("A"), Reasoning("B", index=1)))
        assert [("reasoning-1", "A"), ("reasoning-2", "B")] == [
            (each["id"], each["delta"]) for each in told if each["type"] == "reasoning-delta"
        ]

    def test_sources(self) -> None:
        """A source with an address of the web is a link; no other address can become one."""
        cited = [
            Citation("https://example.org", "Examples"),
            Citation("javascript:alert(1)"),
            Citation("doc-7"),
        ]
        link, *documents = [each for each in inner(run_of("Hi", *cited)) if "source" in str(each["type"])]
        url = {"sourceId": "source-1", "url": "https://example.org", "title": "Examples"}
        assert {"type": "source-url", **url} == link
        assert ["source-document"] * 2 == [each["type"] for each in documents]
        assert not [each for each in documents if "url" in each]

    @pytest.mark.parametrize("address", ["http://[", "http://\u2100.com", "//["])
    def test_addresses_that_cannot_be_read(self, address: str) -> None:
        """What a model cites, or shows, at an address that is none does not end the answer."""
        told = inner(run_of("Hi", Citation(address), Image(url=address), "Bye"))
        shown = [each for each in told if "delta" not in each]
        assert ["source-document"] == [each["type"] for each in shown if "text" not in str(each["type"])]
        assert ["Hi", "Bye"] == [each["delta"] for each in told if "delta" in each]

    def test_files(self) -> None:
        """A picture in bytes is an address with its data; a file that is not on the web is left out."""
        told = inner(run_of(Image(data=b"GIF89a"), File(url="file:///etc/passwd")))
        assert [{"type": "file", "url": "data:image/gif;base64,R0lGODlh", "mediaType": "image/gif"}] == told


class TestTools:
    def test_a_call_and_its_result(self) -> None:
        """A call streams its arguments, has them whole, then its result: an object if it is one in JSON."""
        told = [each for each in chunks(tool_run()) if str(each["type"]).startswith("tool-")]
        assert [
            {"type": "tool-input-start", "toolCallId": "call-1", "toolName": "weather"},
            {"type": "tool-input-delta", "toolCallId": "call-1", "inputTextDelta": '{"city": "Oslo"}'},
            {
                "type": "tool-input-available",
                "toolCallId": "call-1",
                "toolName": "weather",
                "input": {"city": "Oslo"},
            },
            {"type": "tool-output-available", "toolCallId": "call-1", "output": {"degrees": 12}},
        ] == told

    def test_steps(self) -> None:
        """Each answer of the model is a step, to which the results of its calls belong."""
        kinds = [each["type"] for each in chunks(tool_run())]
        steps = [kind for kind in kinds if kind in {"start-step", "finish-step", "tool-output-available"}]
        assert ["start-step", "tool-output-available", "finish-step", "start-step", "finish-step"] == steps

    @pytest.mark.parametrize("result", ["12", "null", "{not JSON", '{"a": NaN}', '{"__proto__": 1}'])
    def test_other_results_are_texts(self, result: str) -> None:
        """A result that is no object or list, or one that no client reads, is the text that it is."""
        (told,) = [each for each in chunks(tool_run(result)) if each["type"] == "tool-output-available"]
        assert result == told["output"]

    def test_failed_tool(self) -> None:
        """What a tool tells as its error is one."""
        (told,) = [each for each in chunks(tool_run("no such city", is_error=True)) if "errorText" in each]
        assert {"type": "tool-output-error", "toolCallId": "call-1", "errorText": "no such city"} == told

    @pytest.mark.parametrize(
        "arguments",
        ["{", "[1e999]", "NaN", '{"__proto__": 1}', '{"constructor": {"prototype": 1}}', "[" * 65],
    )
    def test_arguments_that_no_client_reads(self, arguments: str) -> None:
        """Arguments that would break the client are an error of that call, as the text that they are."""
        told = inner(run_of(ToolCallDelta(0, "c", "weather", arguments)))[-1]
        assert ("tool-input-error", arguments) == (told["type"], told["input"])

    def test_tools_of_the_provider(self) -> None:
        """A tool that the provider runs is a call that the provider executed, with its result."""
        called = ServerToolCall("s", "web_search", '{"query": "rain"}')
        call, result = inner(run_of(called, ServerToolResult("s", "[1]"), ServerToolResult("unknown", "2")))
        told = {"toolCallId": "s", "providerExecuted": True}
        given = {"toolName": "web_search", "input": {"query": "rain"}}
        assert {"type": "tool-input-available", **given, **told} == call
        assert {"type": "tool-output-available", "output": [1], **told} == result

    def test_results_with_images(self) -> None:
        """The text of a result is its output; its images and files are shown after it."""
        shown = ToolResult("c", ("A dot:", Image(data=b"GIF8")), name="look")
        _, result, image = inner(run_of(shown))
        assert ("A dot:", "data:image/gif;base64,R0lGOA==") == (result["output"], image["url"])

    def test_result_of_an_unknown_call(self) -> None:
        """The result of a call that the client did not see comes with that call."""
        call, result = inner(run_of(ToolResult("c", "12", name="weather")))
        assert ("tool-input-available", "weather", {}) == (call["type"], call["toolName"], call["input"])
        assert ("tool-output-available", "c") == (result["type"], result["toolCallId"])

    def test_agents_as_tools(self) -> None:
        """What an agent says while it works as a tool is shown at once, and does not stay in the message."""
        (told,) = [each for each in chunks(tool_run()) if each["type"] == "data-agent"]
        data = {"toolCallId": "call-1", "agents": ["SCOUT"], "part": "Looking out."}
        assert {"type": "data-agent", "data": data, "transient": True} == told

    def test_images_in_agents_as_tools(self) -> None:
        """A result with an image does not end the answer if an agent that works as a tool has got it."""
        result = ToolResult("c", ("A dot:", Image(data=b"GIF8")), name="look")
        (told,) = [each for each in chunks(run_of(AgentPart(("SCOUT",), result))) if "data" in each]
        content = ["A dot:", {"kind": "image", "data": "R0lGOA=="}]
        part = {"kind": "tool_result", "call_id": "c", "content": content, "is_error": False, "name": "look"}
        assert {"agents": ["SCOUT"], "part": part} == told["data"]

    def test_accounts_of_agents_are_not_told(self) -> None:
        """What an agent used on the way is nothing to show."""
        frames: list[Frame] = [
            MessageBegan(0, "tool"),
            MessagePart(0, AgentPart(("A",), Usage(1, 2))),
            RunEnded("finished"),
        ]
        assert ["start", "start-step", "finish-step", "finish"] == [each["type"] for each in chunks(frames)]


class TestRestart:
    def test_withdraws_the_step(self) -> None:
        """An answer that begins anew withdraws what it said and called, and begins parts of its own."""
        told = inner(run_of("wrong", ToolCallDelta(0, "c", "weather", "{}"), Restart(), "right"))
        reset = [each["type"] for each in told].index("reset-step")
        assert ["text-start", "text-delta", "text-end"] == [each["type"] for each in told[reset + 1 :]]
        assert "right" == told[reset + 2]["delta"]

    def test_keeps_the_call_of_a_tool(self) -> None:
        """A tool that begins anew does not withdraw its own call, which stands in the same step."""
        frames: list[Frame] = [
            *message(0, ToolCallDelta(0, "c", "weather", "{}")),
            *message(1, Restart(), ToolResult("c", "12"), role="tool"),
            RunEnded("finished"),
        ]
        kinds = [each["type"] for each in chunks(frames)]
        assert "reset-step" not in kinds
        assert 1 == kinds.count("tool-input-available")


def test_nothing_is_null() -> None:
    """No run makes a chunk in which anything is null: that would be the end of it for their client."""
    for seed in range(amount(60, 300)):
        for chunk in chunks(drawn_run(drawn(seed))):
            nulls = {name for name, value in chunk.items() if value is None}
            assert nulls <= {"input", "output"}, (seed, chunk)


def test_edited_arguments() -> None:
    """A call that a person has edited is shown anew, unless the client would make a second one of it."""

    def told(call: str, cents: int) -> list[Frame]:
        shown = {"tool": "pay", "arguments": {"cents": 9}, "call": call}
        asked = QuestionAsked(f"q-{call}", "approval", shown, "")
        return [asked, QuestionAnswered(f"q-{call}", "allowed", {"cents": cents})]

    calls = [ToolCallDelta(at, call, "pay", '{"cents": 9}') for at, call in enumerate(("a", "b", "c"))]
    inner = MessagePart(1, AgentPart(("BUYER",), ToolCallDelta(0, "i", "pay", '{"cents": 9}')))
    frames = [*message(0, *calls), MessageBegan(1, "tool", call="a"), *told("b", 5), inner]
    frames += [*told("i", 3), *told("c", 1), RunEnded("finished")]
    inputs = [each for each in chunks(frames) if each["type"] == "tool-input-available"]
    plain = [(each, {"cents": 9}, None) for each in "abc"]
    about = {"inside": "a"}
    assert [
        *plain,
        ("b", {"cents": 5}, {"miniagents": {"edited": True}}),
        ("i", {"cents": 9}, {"miniagents": about}),
        ("i", {"cents": 3}, {"miniagents": {"edited": True, **about}}),
    ] == [(each["toolCallId"], each["input"], each.get("providerMetadata")) for each in inputs]


@pytest.mark.logs("cannot be shown")
def test_names_that_end_a_client_in_questions() -> None:
    """What a model or a server asks people never has a name for which their client ends the whole answer."""
    bad = {"more": {"__proto__": {"admin": True}}}
    call = MessagePart(0, AgentPart(("BUYER",), ToolCallDelta(0, "i", "pay", json.dumps(bad))))
    shown = {"tool": "pay", "arguments": bad, "call": "i"}
    asked = [QuestionAsked("q", "approval", shown, ""), QuestionAsked("p", "question", {"schema": bad}, "")]
    told = chunks([MessageBegan(0, "tool", call="a"), call, *asked, QuestionAnswered("q", "allowed", bad)])
    assert '"__proto__":' not in json.dumps(told)
    assert ["tool-input-error", "tool-approval-request"] == [
        each["type"] for each in told if each.get("toolCallId") == "i"
    ][:2]


def drawn(seed: int) -> Random:
    return Random(f"run {seed}")  # noqa: S311 - no secret


def text_of(frames: Iterable[Frame]) -> str:
    """What is left of the texts of a run."""
    texts: list[str] = []
    tools: set[int] = set()
    began = 0
    for frame in frames:
        match frame:
            case MessageBegan(number, role):
                began = len(texts)
                tools |= {number} if role == "tool" else set()
            case MessagePart(_, str(text)) | MessagePart(_, Refusal(text)):
                texts.append(text)
            case MessagePart(number, Restart()) if number not in tools:
                del texts[began:]
            case _:
                pass
    return "".join(texts)


@pytest.mark.gate("installs the package of the client, and starts node")
class TestRealClient:
    async def test_reads_whatever_we_write(self) -> None:
        """Their client shows the text of any run, and only one that failed or was lost is an error there."""
        async with vercel_chat() as chat:
            for seed in range(amount(100, 500)):
                frames = drawn_run(drawn(seed))
                ended = frames[-1]
                assert isinstance(ended, RunEnded)
                stream = b64encode(written(frames)).decode()
                shown = await chat.do("read", stream=stream)
                expected = {"failed": "The agent failed.", "lost": "The answer was cut off."}.get(ended.how)
                assert (ended.sentence or expected if expected else None) == shown.error, (seed, frames)
                assert ("error" if expected else "ready") == shown.status, (seed, frames)
                answers = [each for each in shown.messages if each["role"] == "assistant"]
                assert text_of(frames) == (shown.text if answers else ""), (seed, frames)

    async def test_shows_what_was_said(self) -> None:
        """It shows thoughts, texts, calls with arguments and results, and no part is left unfinished."""
        async with vercel_chat() as chat:
            shown = await chat.do("read", stream=b64encode(written(tool_run())).decode())
        thought, first, call, second = shown.parts
        assert ("reasoning", "North.", "done") == (thought["type"], thought["text"], thought["state"])
        assert ("Let me look.", "It is 12 °C.") == (first["text"], second["text"])
        assert ("tool-weather", "output-available") == (call["type"], call["state"])
        assert ({"city": "Oslo"}, {"degrees": 12}) == (call["input"], call["output"])
        assert ["data-agent"] == [each["type"] for each in shown.data]
        assert {"usage": {"inputTokens": 50, "outputTokens": 12, "totalTokens": 62}} == shown.messages[-1][
            "metadata"
        ]
        assert "stop" == shown.finish["finishReason"]

    async def test_forgets_what_was_withdrawn(self) -> None:
        """It forgets what was withdrawn, and nothing else."""
        frames = [*message(0, "First."), *message(1, "wrong", Restart(), "right"), RunEnded("finished")]
        async with vercel_chat() as chat:
            shown = await chat.do("read", stream=b64encode(written(frames)).decode())
        assert "First.right" == shown.text

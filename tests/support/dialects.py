"""What providers document of their own form of an answer, in three turns: compact data for one test.

In each turn the model thinks; in the first two it calls a tool, and in the third it answers. A `Dialect`
knows what its server sends, streamed or whole, what must come of it, and what the server needs back: it
refuses a request that does not have exactly that. `source` is the page of the provider where the form stands.

How far that goes: the fields were compared with the SDK or the code of the provider for OpenAI, Anthropic,
Mistral, Groq, Together, Fireworks, GLM, Perplexity, Ollama, SGLang and vLLM, and with the text of the page
for OpenRouter, DeepSeek, MiniMax and the signatures of Gemini. Of Kimi (where the usage is), xAI, Qwen,
Bedrock (the tag), Azure, LM Studio and LiteLLM only the page is known, of Gemini's tag what users report.

Why so long: it is a table.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, cast

from typing_extensions import override

from miniagents import Usage
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, Wire

__all__ = ["DIALECTS", "TURNS", "Dialect", "Turn"]

Json: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model says in one turn.

    Attributes:
        number: of the turn; the first one is 1.
        text: of the answer.
        calls: the arguments of its calls of `look`.
    """

    number: int
    text: str
    calls: tuple[Json, ...] = ()


TURNS: Final = (
    Turn(1, "Let me look.", ({"city": "Oslo"},)),
    Turn(2, "", ({"city": "Rome"},)),
    Turn(3, "It rains in both."),
)
COUNTED: Final[Json] = {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}


@dataclass(frozen=True, slots=True)
class Thought:
    """How a server of Chat Completions says a thought.

    Attributes:
        pieces: the deltas of a stream, by the number of the turn.
        whole: the fields of a whole message.
        back: the fields that must go back.
        shown: what a reader sees of it.
        text: what stands before the text of the message, there and back.
        listed: whether the text is a list of parts.
        part: fields of the thought among them.
    """

    pieces: Callable[[int], Sequence[Json]] = lambda _: ()
    whole: Callable[[int], Json] = lambda _: {}
    back: Callable[[int], Json] = lambda _: {}
    shown: Callable[[int], str] = lambda _: ""
    text: Callable[[int], str] = lambda _: ""
    listed: bool = False
    part: Callable[[int], Json] = lambda _: {}


def _named(name: str) -> Thought:
    """A thought in a field of its own."""
    return Thought(
        pieces=lambda n: [{name: "Hm, "}, {name: f"turn {n}."}],
        whole=lambda n: {name: f"Hm, turn {n}."},
        back=lambda n: {name: f"Hm, turn {n}."},
        shown=lambda n: f"Hm, turn {n}.",
    )


def _tagged(tag: str) -> Thought:
    """A thought in the text."""
    return Thought(
        shown=lambda n: f"\nHm, turn {n}.\n", text=lambda n: f"<{tag}>\nHm, turn {n}.\n</{tag}>\n\n"
    )


def _detailed(kind: str, name: str | None, **fields: object) -> Thought:
    """A list of details, as OpenRouter and MiniMax have it; with a signature, which comes last."""
    text = {"reasoning.text": "text", "reasoning.summary": "summary"}.get(kind, "")
    base: Json = {"type": kind, "index": 0, **fields}

    def pieces(n: int) -> Sequence[Json]:
        if not text:
            return [{"reasoning_details": [{**base, "data": f"secret {n}"}]}]
        said = ["Hm, ", f"turn {n}."]
        deltas: list[Json] = [
            {
                **({name: each} if name else {}),
                "reasoning_details": [{**base, text: each, "signature": None}],
            }
            for each in said
        ]
        return [*deltas, {"reasoning_details": [{**base, "signature": f"sign {n}"}]}]

    def whole(n: int) -> Json:
        if not text:
            return {"reasoning_details": [{**base, "data": f"secret {n}"}]}
        said = {**base, text: f"Hm, turn {n}.", "signature": f"sign {n}"}
        return {**({name: f"Hm, turn {n}."} if name else {}), "reasoning_details": [said]}

    def back(n: int) -> Json:
        return {"reasoning_details": whole(n)["reasoning_details"]}

    return Thought(pieces, whole, back, lambda n: f"Hm, turn {n}." if text else "")


def _cumulative() -> Thought:
    """MiniMax: each piece of a detail has the whole text so far."""
    base: Json = {
        "type": "reasoning.text",
        "id": "reasoning-text-1",
        "format": "MiniMax-response-v1",
        "index": 0,
    }

    def whole(n: int) -> Json:
        return {"reasoning_details": [{**base, "text": f"Hm, turn {n}."}]}

    return Thought(
        pieces=lambda n: [
            {"reasoning_details": [{**base, "text": each}]} for each in ("Hm, ", f"Hm, turn {n}.")
        ],
        whole=whole,
        back=whole,
        shown=lambda n: f"Hm, turn {n}.",
    )


def _blocks() -> Thought:
    """LiteLLM before Anthropic: the blocks of the model behind it, and the text of the thought."""

    def whole(n: int) -> Json:
        block = {"type": "thinking", "thinking": f"Hm, turn {n}.", "signature": f"sign {n}"}
        return {"thinking_blocks": [block]}

    def pieces(n: int) -> Sequence[Json]:
        said: list[Json] = [
            {"reasoning_content": each, "thinking_blocks": [{"type": "thinking", "thinking": each}]}
            for each in ("Hm, ", f"turn {n}.")
        ]
        signed = {"type": "thinking", "thinking": "", "signature": f"sign {n}"}
        return [*said, {"reasoning_content": "", "thinking_blocks": [signed]}]

    return Thought(
        pieces,
        lambda n: {"reasoning_content": f"Hm, turn {n}.", **whole(n)},
        whole,
        lambda n: f"Hm, turn {n}.",
    )


def _part(text: str, **fields: object) -> Json:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **fields}


def _signed_part(n: int) -> Json:
    return {"signature": f"sign {n}"}


LISTED: Final = Thought(
    pieces=lambda n: [{"content": [_part("Hm, ")]}, {"content": [_part(f"turn {n}.")]}],
    shown=lambda n: f"Hm, turn {n}.",
    listed=True,
)


def _listed_and_signed(n: int) -> list[Json]:
    return [*LISTED.pieces(n), {"content": [{"type": "thinking", "thinking": [], **_signed_part(n)}]}]


LISTED_AND_SIGNED: Final = replace(
    LISTED,
    pieces=_listed_and_signed,
    part=_signed_part,
)
EMPTY: Final = Thought(
    pieces=lambda _: [{"reasoning_content": ""}],
    whole=lambda _: {"reasoning_content": ""},
    back=lambda _: {"reasoning_content": ""},
)
SIGNED_TEXT: Final = Thought(
    pieces=lambda n: [{"extra_content": {"google": {"thought_signature": f"sign {n}"}}}],
    whole=lambda n: {"extra_content": {"google": {"thought_signature": f"sign {n}"}}},
    back=lambda n: {"extra_content": {"google": {"thought_signature": f"sign {n}"}}},
)
NONE: Final = Thought()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider says three turns.

    Attributes:
        name: of the provider.
        source: where its form is documented.
        wire: the API.
        thought: how it says a thought.
        call: fields of each call that go back, by the number of the turn.
        ids: the id of a call, by its number; None if the server gives none.
        usage: as the server counts; None: the counts of the wire.
        counted: as it must be read.
        place: where the counts of Chat Completions are: `usage`, `x_groq`, or `choice`.
        more: fields of each event, or of the whole answer.
        ends: the reason of an answer with calls, and without.
        options: keywords of the agent.
        both: whether two calls come in the first turn.
        stream: whether it streams.
    """

    name: str
    source: str
    wire: Wire = CHAT
    thought: Thought = NONE
    call: Callable[[int], Json] = lambda _: {}
    ids: Callable[[int], str | None] = lambda n: f"call_{n}"
    usage: Json | None = None
    counted: Usage = field(default_factory=lambda: Usage(30, 12))
    place: str = "usage"
    more: Mapping[str, object] = field(default_factory=dict[str, object])
    ends: tuple[str, str] = ("tool_calls", "stop")
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    both: bool = False
    stream: bool = True

    @override
    def __repr__(self) -> str:
        form = "stream" if self.stream else "whole"
        return f"{self.name}-{form}{'-two' if self.both else ''}"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What the model says."""
        first, *rest = TURNS
        return (replace(first, calls=(*first.calls, {"city": "Bergen"})) if self.both else first, *rest)

    def id_of(self, turn: Turn, at: int) -> str | None:
        """The id of a call."""
        return self.ids(turn.number * 10 + at)

    def answer(self, turn: Turn) -> list[bytes] | Json:
        """What the server sends: events, or a whole answer."""
        if self.wire is ANTHROPIC:
            return self._messages(turn)
        if self.wire is RESPONSES:
            return self._responses(turn)
        return self._chunks(turn) if self.stream else self._completion(turn)

    def back(self, turn: Turn) -> list[Json]:
        """What the next request must have of a turn: the answer, before the results of its calls."""
        if self.wire is ANTHROPIC:
            return [{"role": "assistant", "content": self._back_blocks(turn)}]
        if self.wire is RESPONSES:
            return self._back_items(turn)
        return [self._back_message(turn)]

    # -- Chat Completions --------------------------------------------------------------------------------

    def _calls(self, turn: Turn) -> list[Json]:
        return [
            {
                **({} if (name := self.id_of(turn, at)) is None else {"id": name}),
                "type": "function",
                "function": {"name": "look", "arguments": json.dumps(arguments)},
                **self.call(turn.number),
            }
            for at, arguments in enumerate(turn.calls)
        ]

    def _counts(self) -> tuple[Json, Json]:
        """The counts: fields of the answer, and of its choice."""
        usage = COUNTED if self.usage is None else self.usage
        if self.place == "choice" and self.stream:
            return {}, {"usage": usage}
        if self.place == "x_groq" and self.stream:
            return {"x_groq": {"id": "req_1", "usage": usage}}, {}
        return {"usage": usage}, {}

    def _chunks(self, turn: Turn) -> list[bytes]:
        def event(delta: Json, finish: str | None = None, top: Json | None = None, **choice: object) -> bytes:
            said: Json = {"index": 0, "delta": delta, "finish_reason": finish, **choice}
            head = {"id": f"answer-{turn.number}", "object": "chat.completion.chunk", "model": "m"}
            whole = {**head, "choices": [said], **self.more, **(top or {})}
            return b"data: " + json.dumps(whole).encode() + b"\n\n"

        events = [event({"role": "assistant", "content": ""})]
        events += map(event, self.thought.pieces(turn.number))
        said = self.thought.text(turn.number) + turn.text
        parts = [said[at : at + 5] for at in range(0, len(said), 5)]
        listed = self.thought.listed
        events += [event({"content": [{"type": "text", "text": each}] if listed else each}) for each in parts]
        for at, call in enumerate(self._calls(turn)):
            function = cast("dict[str, str]", call["function"])
            head = {**call, "index": at, "function": {"name": "look", "arguments": ""}}
            events.append(event({"tool_calls": [head]}))
            for piece in (function["arguments"][:6], function["arguments"][6:]):
                events.append(event({"tool_calls": [{"index": at, "function": {"arguments": piece}}]}))
        top, choice = self._counts()
        events.append(event({}, self.ends[not turn.calls], top, **choice))
        return [*events, b"data: [DONE]\n\n"]

    def _completion(self, turn: Turn) -> Json:
        said: object = self.thought.text(turn.number) + turn.text
        if self.thought.listed:
            texts = [{"type": "text", "text": turn.text}] if turn.text else []
            said = [_part(self.thought.shown(turn.number), **self.thought.part(turn.number)), *texts]
        calls = {"tool_calls": self._calls(turn)} if turn.calls else {}
        message = {"role": "assistant", "content": said, **self.thought.whole(turn.number), **calls}
        top, choice = self._counts()
        finish = {"index": 0, "message": message, "finish_reason": self.ends[not turn.calls], **choice}
        return {"id": f"answer-{turn.number}", "model": "m", "choices": [finish], **self.more, **top}

    def _back_message(self, turn: Turn) -> Json:
        said: object = self.thought.text(turn.number) + turn.text or None
        if self.thought.listed:
            texts = [{"type": "text", "text": turn.text}] if turn.text else []
            said = [_part(self.thought.shown(turn.number), **self.thought.part(turn.number)), *texts]
        calls = {"tool_calls": self._calls(turn)} if turn.calls else {}
        return {"role": "assistant", "content": said, **self.thought.back(turn.number), **calls}

    # -- Messages ----------------------------------------------------------------------------------------

    def _back_blocks(self, turn: Turn) -> list[Json]:
        signed = {"signature": f"sign {turn.number}"} if self.thought is SIGNED else {}
        thought: list[Json] = []
        if self.thought is not NONE:
            thought.append({"type": "thinking", "thinking": f"Hm, turn {turn.number}.", **signed})
        texts: list[Json] = [{"type": "text", "text": turn.text}] if turn.text else []
        calls: list[Json] = [
            {"type": "tool_use", "id": self.id_of(turn, at), "name": "look", "input": arguments}
            for at, arguments in enumerate(turn.calls)
        ]
        return [*thought, *texts, *({**call, **self.call(turn.number)} for call in calls)]

    def _messages(self, turn: Turn) -> list[bytes] | Json:
        usage = {"input_tokens": 30, "output_tokens": 12}
        blocks, reason = self._back_blocks(turn), self.ends[not turn.calls]
        message: Json = {"id": f"answer-{turn.number}", "type": "message", "role": "assistant", "model": "m"}
        if not self.stream:
            return {**message, "content": blocks, "stop_reason": reason, "usage": usage}
        start: Json = {**message, "content": [], "usage": {"input_tokens": 30, "output_tokens": 0}}
        events: list[Json] = [{"type": "message_start", "message": start}]
        for at, block in enumerate(blocks):
            events += _streamed(at, block)
        end: Json = {
            "type": "message_delta",
            "delta": {"stop_reason": reason},
            "usage": {"output_tokens": 12},
        }
        stop: Json = {"type": "message_stop"}
        events += [end, stop]
        return [
            b"event: %s\ndata: %s\n\n" % (str(each["type"]).encode(), json.dumps(each).encode())
            for each in events
        ]

    # -- Responses ---------------------------------------------------------------------------------------

    def _items(self, turn: Turn) -> list[Json]:
        """The items that the server sends."""
        items: list[Json] = []
        if self.thought is not NONE:
            items.append({"type": "reasoning", "id": f"rs_{turn.number}", **self.thought.whole(turn.number)})
        if turn.text:
            said: Json = {"type": "output_text", "text": turn.text, "annotations": []}
            items.append(
                {"type": "message", "id": f"msg_{turn.number}", "role": "assistant", "content": [said]}
            )
            items[-1] |= {"status": "completed", **self.thought.back(turn.number)}
        for at, arguments in enumerate(turn.calls):
            name = {"call_id": self.id_of(turn, at), "name": "look", "arguments": json.dumps(arguments)}
            items.append(
                {"type": "function_call", "id": f"fc_{turn.number}{at}", **name, "status": "completed"}
            )
        return items

    def _back_items(self, turn: Turn) -> list[Json]:
        items: list[Json] = []
        for item in self._items(turn):
            if item["type"] == "message":
                told = {"type": "message", "role": "assistant", "content": turn.text}
                items.append({**told, **self.thought.back(turn.number)})
            else:
                items.append({name: value for name, value in item.items() if name != "status"})
        return items

    def _responses(self, turn: Turn) -> list[bytes] | Json:
        usage = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42, **(self.usage or {})}
        answer: Json = {"id": f"answer-{turn.number}", "object": "response", "model": "m"}
        items = self._items(turn)
        whole = {**answer, "status": "completed", "output": items, "usage": usage}
        if not self.stream:
            return whole
        events: list[Json] = [{"type": "response.created", "response": {**answer, "status": "in_progress"}}]
        for at, item in enumerate(items):
            begun = {**item, "status": "in_progress"}
            begun |= {name: value for name, value in _EMPTY.items() if name in item}
            events.append({"type": "response.output_item.added", "output_index": at, "item": begun})
            events += _item_pieces(at, item)
            events.append({"type": "response.output_item.done", "output_index": at, "item": item})
        events.append({"type": "response.completed", "response": whole})
        return [
            b"event: %s\ndata: %s\n\n" % (str(each["type"]).encode(), json.dumps(each).encode())
            for each in events
        ]


_EMPTY: Final[Json] = {"content": [], "summary": [], "arguments": ""}


def _item_pieces(at: int, item: Json) -> Iterator[Json]:
    place: Json = {"output_index": at, "item_id": item["id"], "content_index": 0}
    if item["type"] == "function_call":
        yield {"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}
    for part in cast("list[dict[str, str]]", item.get("content") or item.get("summary") or []):
        kind = {"output_text": "output_text", "reasoning_text": "reasoning_text"}.get(
            part["type"], "reasoning_summary_text"
        )
        for piece in (part["text"][:4], part["text"][4:]):
            yield {"type": f"response.{kind}.delta", **place, "delta": piece}
        yield {"type": f"response.{kind}.done", **place, "text": part["text"]}


def _streamed(at: int, block: Json) -> Iterator[Json]:
    kind = str(block["type"])
    name = {"text": "text", "thinking": "thinking", "tool_use": "input"}[kind]
    empty: Json = {name: {} if name == "input" else ""}
    begun = {field: value for field, value in block.items() if field != "signature"}
    yield {"type": "content_block_start", "index": at, "content_block": {**begun, **empty}}
    piece = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}[kind]
    said = json.dumps(block[name]) if name == "input" else str(block[name])
    field_name = "partial_json" if name == "input" else name
    for each in (said[:4], said[4:]):
        delta = {"type": piece, field_name: each}
        yield {"type": "content_block_delta", "index": at, "delta": delta}
    if signature := block.get("signature"):
        signed = {"type": "signature_delta", "signature": signature}
        yield {"type": "content_block_delta", "index": at, "delta": signed}
    yield {"type": "content_block_stop", "index": at}


SIGNED: Final = Thought(shown=lambda n: f"Hm, turn {n}.")
UNSIGNED: Final = Thought(shown=lambda n: f"Hm, turn {n}.")
ENCRYPTED: Final = Thought(
    whole=lambda n: {
        "summary": [{"type": "summary_text", "text": f"Hm, turn {n}."}],
        "encrypted_content": f"secret {n}",
    },
    shown=lambda n: f"Hm, turn {n}.",
)


def _phase(number: int) -> Json:
    return {"phase": "final_answer" if number == 3 else "commentary"}


PHASED: Final = replace(ENCRYPTED, back=_phase)
OPEN: Final = Thought(
    whole=lambda n: {"summary": [], "content": [{"type": "reasoning_text", "text": f"Hm, turn {n}."}]},
    shown=lambda n: f"Hm, turn {n}.",
)


def _outside(thoughts: int, **more: object) -> Json:
    """Counts that leave the thoughts out of the output, and have them in the total."""
    return {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42 + thoughts, **more}


def _cached(**more: object) -> Json:
    return {**COUNTED, **more}


_GEMINI = "https://ai.google.dev/gemini-api/docs/thought-signatures"
_OPENROUTER = "https://openrouter.ai/docs/guides/best-practices/reasoning-tokens"
_ENDS = ("tool_use", "end_turn")
_DONE = ("completed", "completed")

_FORMS: Final = (
    Dialect(
        "openrouter",
        _OPENROUTER,
        thought=_detailed("reasoning.text", "reasoning", id="reasoning-text-1", format="anthropic-claude-v1"),
        more={"provider": "Anthropic"},
    ),
    Dialect(
        "openrouter-encrypted",
        _OPENROUTER,
        thought=_detailed(
            "reasoning.encrypted", None, id="reasoning-encrypted-1", format="openai-responses-v1"
        ),
    ),
    Dialect("openrouter-summary", _OPENROUTER, thought=_detailed("reasoning.summary", "reasoning")),
    Dialect(
        "deepseek",
        "https://api-docs.deepseek.com/guides/thinking_mode",
        thought=_named("reasoning_content"),
        usage=_cached(prompt_cache_hit_tokens=7, completion_tokens_details={"reasoning_tokens": 4}),
        counted=Usage(30, 12, 7, 4),
    ),
    Dialect("deepseek-empty", "https://api-docs.deepseek.com/guides/thinking_mode", thought=EMPTY),
    Dialect(
        "kimi",
        "https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model",
        thought=_named("reasoning_content"),
        ids=lambda n: f"look:{n}",
        usage=_cached(cached_tokens=12),
        counted=Usage(30, 12, 12),
        place="choice",
    ),
    Dialect(
        "glm", "https://docs.z.ai/guides/capabilities/thinking-mode", thought=_named("reasoning_content")
    ),
    Dialect(
        "minimax",
        "https://platform.minimax.io/docs/api-reference/text-openai-api",
        thought=_cumulative(),
        more={"base_resp": {"status_code": 0, "status_msg": ""}},
    ),
    # What the server sends now, against the page above: only what is new.
    Dialect(
        "minimax-pieces",
        "https://github.com/MiniMax-AI/MiniMax-M2/issues/95",
        thought=_detailed("reasoning.text", None, id="reasoning-text-1", format="MiniMax-response-v1"),
    ),
    Dialect(
        "minimax-tags",
        "https://platform.minimax.io/docs/guides/text-m2-function-call",
        thought=_tagged("think"),
        options={"thinking_tag": "think"},
    ),
    Dialect(
        "gemini",
        _GEMINI,
        call=lambda n: {"extra_content": {"google": {"thought_signature": f"sign {n}"}}},
        usage=_outside(159),
        counted=Usage(30, 171, reasoning_tokens=159),
    ),
    Dialect(
        "gemini-thoughts",  # with `include_thoughts`
        "https://ai.google.dev/gemini-api/docs/openai",
        thought=_tagged("thought"),
        call=lambda n: {"extra_content": {"google": {"thought_signature": f"sign {n}"}}},
        usage=_outside(159),
        counted=Usage(30, 171, reasoning_tokens=159),
        options={"thinking_tag": "thought"},
    ),
    Dialect("gemini-text", _GEMINI, thought=SIGNED_TEXT, ids=lambda _: None),
    Dialect(
        "xai",
        "https://docs.x.ai/docs/guides/reasoning",
        thought=_named("reasoning_content"),
        usage=_outside(94, completion_tokens_details={"reasoning_tokens": 94}),
        counted=Usage(30, 106, reasoning_tokens=94),
    ),
    Dialect(
        "mistral",
        "https://docs.mistral.ai/capabilities/reasoning",
        thought=LISTED,
        ids=lambda n: f"aB3dE6g{n}",
    ),
    Dialect(
        "mistral-signed",
        # `ThinkChunk.signature`: "Signature to replay some reasoning blocks across turns."
        "https://github.com/mistralai/client-python/blob/main/src/mistralai/client/models/thinkchunk.py",
        thought=LISTED_AND_SIGNED,
        ids=lambda n: f"aB3dE6g{n}",
    ),
    Dialect(
        "groq",
        # `reasoning` of a delta, of a message and of what goes back; `x_groq.usage` of the last chunk.
        "https://github.com/groq/groq-python/tree/main/src/groq/types/chat",
        thought=_named("reasoning"),
        place="x_groq",
    ),
    Dialect(
        "perplexity",
        "https://docs.perplexity.ai/api-reference/chat-completions-post",
        thought=_tagged("think"),
        more={
            "citations": ["https://a.example"],
            "search_results": [{"title": "A", "url": "https://a.example"}],
        },
        options={"thinking_tag": "think"},
    ),
    Dialect(
        "qwen",
        "https://www.alibabacloud.com/help/en/model-studio/deep-thinking",
        thought=_named("reasoning_content"),
        usage=_cached(prompt_tokens_details={"cached_tokens": 5}),
        counted=Usage(30, 12, 5),
    ),
    Dialect(
        "together", "https://docs.together.ai/docs/inference/chat/reasoning", thought=_named("reasoning")
    ),
    Dialect("fireworks", "https://docs.fireworks.ai/guides/reasoning", thought=_named("reasoning_content")),
    Dialect(
        "bedrock",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html",
        thought=_tagged("reasoning"),
        ids=lambda n: f"chatcmpl-tool-{n}",
        options={"thinking_tag": "reasoning"},
    ),
    Dialect(
        "azure",
        "https://learn.microsoft.com/azure/ai-foundry/openai/latest",
        more={"prompt_filter_results": [{"prompt_index": 0}]},
    ),
    Dialect(
        "ollama",
        "https://github.com/ollama/ollama/blob/main/openai/openai.go",  # `Message.Reasoning`
        thought=_named("reasoning"),
    ),
    Dialect(
        "lmstudio", "https://lmstudio.ai/docs/app/api/endpoints/openai", thought=_named("reasoning_content")
    ),
    Dialect(
        "sglang",
        "https://docs.sglang.ai/advanced_features/separate_reasoning.html",
        thought=_named("reasoning_content"),
        ids=lambda n: f"call_{n:024d}",
    ),
    Dialect(
        "vllm",
        "https://docs.vllm.ai/en/latest/features/reasoning_outputs.html",  # older ones: `reasoning_content`
        thought=_named("reasoning"),
        ids=lambda n: f"chatcmpl-tool-{n}",
    ),
    Dialect(
        "litellm",
        "https://docs.litellm.ai/docs/reasoning_content",
        thought=_blocks(),
        call=lambda n: {"provider_specific_fields": {"thought_signature": f"sign {n}"}},
    ),
    Dialect(
        "openai-responses",
        "https://developers.openai.com/api/docs/guides/reasoning",
        RESPONSES,
        PHASED,
        ends=_DONE,
        usage={"output_tokens_details": {"reasoning_tokens": 4}},
        counted=Usage(30, 12, reasoning_tokens=4),
    ),
    Dialect(
        "openrouter-responses",
        "https://openrouter.ai/docs/api/reference/responses/tool-calling",
        RESPONSES,
        ENCRYPTED,
        ends=_DONE,
    ),
    Dialect(
        "azure-responses",
        "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses",
        RESPONSES,
        ENCRYPTED,
        ends=_DONE,
    ),
    Dialect(
        "xai-responses",
        "https://docs.x.ai/docs/guides/responses-api",
        RESPONSES,
        ENCRYPTED,
        ends=_DONE,
        usage={"total_tokens": 136, "output_tokens_details": {"reasoning_tokens": 94}},
        counted=Usage(30, 106, reasoning_tokens=94),
    ),
    Dialect(
        "lmstudio-responses",
        "https://lmstudio.ai/docs/developer/openai-compat/responses",
        RESPONSES,
        OPEN,
        ends=_DONE,
    ),
    Dialect(
        "vllm-responses",
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        RESPONSES,
        OPEN,
        ends=_DONE,
    ),
    Dialect(
        "anthropic",
        "https://platform.claude.com/docs/en/build-with-claude/extended-thinking",
        ANTHROPIC,
        SIGNED,
        call=lambda _: {"caller": {"type": "direct"}},
        ids=lambda n: f"toolu_{n}",
        ends=_ENDS,
    ),
    Dialect(
        "bedrock-messages",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html",
        ANTHROPIC,
        SIGNED,
        ids=lambda n: f"toolu_bdrk_{n}",
        ends=_ENDS,
    ),
    Dialect(
        "deepseek-messages",
        "https://api-docs.deepseek.com/guides/anthropic_api",
        ANTHROPIC,
        UNSIGNED,
        ends=_ENDS,
    ),
    Dialect(
        "kimi-messages",
        "https://platform.moonshot.ai/docs/guide/agent-support",
        ANTHROPIC,
        UNSIGNED,
        ends=_ENDS,
    ),
    Dialect("glm-messages", "https://docs.z.ai/devpack/tool/claude", ANTHROPIC, UNSIGNED, ends=_ENDS),
    Dialect(
        "minimax-messages",
        "https://platform.minimax.io/docs/api-reference/text-anthropic-api",
        ANTHROPIC,
        SIGNED,
        ends=_ENDS,
    ),
    Dialect(
        "ollama-messages",
        "https://docs.ollama.com/api/anthropic-compatibility",
        ANTHROPIC,
        UNSIGNED,
        ends=_ENDS,
    ),
)
DIALECTS: Final = tuple(
    replace(form, stream=stream, both=both)
    for form in _FORMS
    for stream in (True, False)
    for both in (False, True)
)
"""All of them, streamed and whole, with one and two calls in the first turn."""

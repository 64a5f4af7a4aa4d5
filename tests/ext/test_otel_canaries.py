"""What spans and metrics may not show: content unless it is asked for, and keys never.

Crosses modules: whatever a model, a server, a tool or a user says goes through runs to the spans.
"""

import json
from collections.abc import AsyncGenerator, MutableMapping

import pytest

from miniagents import (
    AssistantMessage,
    Finish,
    InteractionContext,
    Message,
    MiniAgents,
    Part,
    Retry,
    Usage,
    tool,
)
from miniagents.models import model_agent
from miniagents.parts import Reasoning, ToolCallDelta
from miniagents.testing import scripted_model
from tests.ext.test_otel import Traced
from tests.support.canaries import KEY, PROMPT, shown_in

SECRET = "sk-abcdef0123456789"  # noqa: S105 - looks like a key, and opens nothing


def recorded(traced: Traced) -> str:
    """All that the exporters were given."""
    data = traced.reader.get_metrics_data()
    spans = [span.to_json() for span in traced.exporter.get_finished_spans()]
    return "\n".join([*spans, "" if data is None else data.to_json()])


async def converse(traced: Traced, said: str) -> None:
    """Have this said in every place where a model, a server, a tool or a user can put a text."""
    turn = 0

    @model_agent(alias="MODEL")
    async def talking_model(
        ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object
    ) -> None:
        nonlocal turn
        turn += 1

        async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            metadata_so_far.update(model=said, response_id=said, anything=said, api_key=KEY)
            yield Retry(1, 0.0, said)
            yield Reasoning(said)
            yield said
            if turn == 1:
                yield ToolCallDelta(0, said, "look", json.dumps({"thing": said}))
                yield ToolCallDelta(1, "2", "look", '{"thing": "x"}')
                yield ToolCallDelta(2, "3", said, "{}")
            yield Usage(1, 1)
            yield Finish(said)
            if turn > 1:
                raise ValueError(said)

        ctx.reply(AssistantMessage.promise_of_parts(parts))

    @tool
    async def look(thing: str) -> str:
        """Look at something."""
        if len(thing) < 3:
            return said
        raise ValueError(said)

    model = talking_model.with_tools(look)
    async with MiniAgents(observers=[traced.observer]):
        with pytest.raises(ValueError, match=r".*"):
            await model.inquire(said, api_key=KEY, note=said, temperature=0.5)


@pytest.mark.parametrize("said", [PROMPT, PROMPT.replace(" ", "\n")])
async def test_no_content(said: str) -> None:
    """Unless it is asked for, no text of a model, a server, a tool, a user or an error is recorded."""
    traced = Traced()
    await converse(traced, said)
    everything = recorded(traced)
    assert shown_in(everything.replace("\\n", " ")) == []
    assert "execute_tool look" in everything
    assert "execute_tool (no such tool)" in everything


async def test_no_key() -> None:
    """Where content is asked for, it is there, and nothing that looks like a key, whoever has said it."""
    traced = Traced(content=True)
    await converse(traced, f"{PROMPT} My key is {SECRET}.")
    everything = recorded(traced)
    assert PROMPT in everything
    assert "[redacted]" in everything
    assert SECRET not in everything
    assert KEY not in everything


async def test_names_of_servers() -> None:
    """Names and ids that a server tells are recorded if they look like names and ids."""
    traced = Traced()
    answer = AssistantMessage(
        "Hi", model="meta-llama/Llama-3.1-8B:free", response_id="chatcmpl-1_a.b", finish_reason="stop"
    )
    async with MiniAgents(observers=[traced.observer]):
        await scripted_model(answer, alias="MODEL").inquire("Hello")
    attributes = traced.span("chat MODEL").attributes or {}
    assert attributes["gen_ai.response.model"] == "meta-llama/Llama-3.1-8B:free"
    assert attributes["gen_ai.response.id"] == "chatcmpl-1_a.b"
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)

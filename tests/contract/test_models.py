"""The contract of models: with tools, with types, and what of a typed answer is read while it comes."""

import json
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from typing import ClassVar

from pydantic import BaseModel
from reactivex import Observable
from typing_extensions import override

from miniagents import AssistantMessage, InteractionContext, Message, MiniAgents, Part, tool
from miniagents.models import ModelAgent, ParsedReplies, model_agent
from miniagents.operators import resolve
from tests.contract.fed import Fed
from tests.contract.rx_contract import StreamContract
from tests.support.sources import turns


class Lines(BaseModel):
    """What the model answers with.

    Attributes:
        lines: the texts that it was told.
        all: all of them, in a row.
    """

    lines: list[str] = []
    all: str = ""


@tool
def unused() -> str:
    """Never called."""
    return ""


@model_agent
async def repeating_model(ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object) -> None:
    """Answer with the texts it is told, each when it comes."""

    async def parts(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        separator = ""
        async for promise in ctx.messages:
            yield separator + str(await promise)
            separator = "+"

    ctx.reply(AssistantMessage.promise_of_parts(parts))


def json_model(before: str, separator: str, after: str) -> ModelAgent[...]:
    """A model that answers in JSON with the texts it is told, each when it comes."""

    async def parts(ctx: InteractionContext[Message, AssistantMessage]) -> AsyncGenerator[Part]:
        yield before
        first = True
        async for promise in ctx.messages:
            text = json.dumps(str(await promise))
            text = text if separator else text[1:-1]
            yield text if first else separator + text
            first = False
        yield after

    @model_agent
    async def answering_model(
        ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object
    ) -> None:
        ctx.reply(AssistantMessage.promise_of_parts(lambda _: parts(ctx)))

    return answering_model


class OneAnswer(StreamContract):
    """There is one message, which fails with the source."""

    @override
    def completed(self, *texts: str) -> list[object]:
        return ["+".join(texts), True]

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [error, True]


class TestModel(OneAnswer):
    """A model, and one that is made of it."""

    covers = ("model_agent", "scripted_model")

    @override
    def stream(self, source: Fed) -> Observable[object]:
        # A message that somebody holds would go on without the subscriber.
        return repeating_model.fork().described(alias="ANOTHER").bind()(source.observable).pipe(resolve())

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [error]


class TestTools(OneAnswer):
    """`model.with_tools(...)`."""

    covers = ("ModelAgent.with_tools",)

    @override
    def stream(self, source: Fed) -> Observable[object]:
        return repeating_model.with_tools(unused).bind()(source.observable)


class View(StreamContract):
    """What of a typed answer is read; the answer is asked for once, and each reader reads it all."""

    one_production = True
    model: ClassVar[ModelAgent[...]] = json_model('{"lines": [', ", ", "]}")

    @override
    def stream(self, source: Fed) -> Observable[object]:
        replies = self.model.as_type(Lines).bind().inquire(source)
        return self.view(replies)

    def view(self, replies: ParsedReplies[Lines]) -> Observable[object]:
        """What is read of it."""
        return replies.elements(lambda answer: answer.lines)


class TestElements(View):
    """`replies.elements`."""

    covers = ("ModelAgent.as_type", "ParsedReplies.elements", "ToolAgent.as_type")


class TestField(View):
    """`replies.field`."""

    covers = ("ParsedReplies.field", "TypedAgent.bind")
    model = json_model('{"all": "', "", '"}')

    @override
    def view(self, replies: ParsedReplies[Lines]) -> Observable[object]:
        return replies.field(lambda answer: answer.all)


class TestPartials(View):
    """`replies.partials`."""

    covers = ("ParsedReplies.partials",)

    @override
    def view(self, replies: ParsedReplies[Lines]) -> Observable[object]:
        return replies.partials

    @override
    def completed(self, *texts: str) -> list[object]:
        return [*self._partials(texts), True]

    @override
    def failed(self, error: Exception, *texts: str) -> list[object]:
        return [*self._partials(texts), error]

    @override
    async def test_required_spec3_03_must_bound_synchronous_recursion(self) -> None:
        """Of a long answer not each token makes a partial, and the last one is the whole."""
        fed, texts = Fed(), [*map(str, range(2_000))]
        fed.emit(*texts)
        fed.complete()
        async with MiniAgents():
            heard = self.subscribed(self.stream(fed))
            while heard.terminal is False:
                await turns(100)
            assert heard.items[-1] == Lines(lines=texts)

    def _partials(self, texts: Sequence[str]) -> list[str]:
        return [str(Lines(lines=[*texts[:count]])) for count in range(len(texts) + 1)]

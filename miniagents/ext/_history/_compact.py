"""``compact``: an agent that replaces the beginning of a long conversation by a summary.

The system messages and the last messages stay, the same objects. A call of a tool stays with its results, or
goes with them. What a summary replaces is named by the hash keys of the messages, so a conversation that has
grown is sent with the same summary, and a provider finds the same beginning in its cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from miniagents.agents import InteractionContext, MiniAgent, Stage, miniagent
from miniagents.messages import AssistantMessage, Message, Summary, ToolMessage, UserMessage
from miniagents.values import (
    File,
    Image,
    Reasoning,
    Refusal,
    ServerToolResult,
    ToolCall,
    ToolResult,
    Usage,
    tokens_in,
)

_EACH = 8  # tokens of a message besides its content
_IMAGE = 1500  # tokens of an image or a file
_MOST = 64  # summaries that one agent keeps

_TASK = (
    "Summarize the conversation below, so that you can go on with it: what was requested, decided and found "
    "out, and what is still open. Keep names, numbers and addresses exactly. Write only the summary."
)
_BEGIN = "Summary of the conversation so far:\n\n"


def compact(
    *, model_limit: int, at: float = 0.8, keep: int = 6, by: Stage[Message, Message]
) -> MiniAgent[Message, Message]:
    """Return an agent that replies the messages that it gets, the first ones as a summary if they are long.

    ``history | compact(...) | model`` keeps a conversation within the limit of a model; ``adialog_loop`` and
    the history agents take it as ``compact=``. Above the limit the first messages become a :class:`Summary`.
    System messages stay, and calls of tools stay with their results.

    Args:
        model_limit: how many tokens the model takes.
        at: which part of them may be used, from 0 to 1.
        keep: how many messages at the end stay.
        by: writes a summary: an agent that gets the conversation as one text.

    Raises:
        ValueError: a number makes no sense.
        TypeError: ``by`` is not an agent, or lacks a keyword.

    Example:
        >>> from miniagents import MiniAgents, SystemMessage
        >>> from miniagents.testing import scripted_model
        >>> short = compact(model_limit=100, keep=2, by=scripted_model("They count."))
        >>> said = [SystemMessage("Count."), *(f"The number is {number}. " * 9 for number in range(4))]
        >>> async def main():
        ...     for message in await short.inquire(said):
        ...         print(message.role, str(message).split()[-2:])
        >>> MiniAgents().run(main())
        system ['Count.']
        user ['They', 'count.']
        user ['is', '3.']
    """
    if model_limit < 1 or not 0 < at <= 1 or keep < 1:
        raise ValueError(
            f"compact(model_limit={model_limit}, at={at}, keep={keep}): the limit and keep are 1 or more, "
            "and at is above 0 and at most 1."
        )
    if not isinstance(by, MiniAgent):
        raise TypeError(f"compact(by={by!r}): give an agent that writes a summary, for example the model.")
    summarizer = cast("MiniAgent[Message, Message]", by).as_operand(strict=True)
    compaction = Compaction(int(model_limit * at), keep, summarizer)
    return miniagent(alias=f"compact({by.alias})", description="Shortens a long conversation.")(compaction)


def estimated(messages: Sequence[Message]) -> int:
    """Return about how many tokens a model needs for messages; rather too many than too few."""
    tokens = 0.0
    for message in messages:
        tokens += _EACH
        for part in _content(message):
            if isinstance(part, ToolResult):
                tokens += _IMAGE * len(part.attached)
            if isinstance(part, Reasoning):
                tokens += tokens_in(part.text) + tokens_in(part.signature or part.opaque or "")
            else:
                tokens += _IMAGE if isinstance(part, Image | File) else tokens_in(_text_of(part))
    return int(tokens)


def _content(message: Message) -> Sequence[object]:
    parts = message.content if isinstance(message, UserMessage | AssistantMessage | ToolMessage) else ()
    return parts or (str(message),)


def _text_of(part: object) -> str:
    match part:
        case ToolCall():
            return f"[calls {part.name}({part.arguments})]"
        case ToolResult():
            return f"[{part.name or 'the tool'} returns: {part.text}]"
        case Refusal():
            return part.text
        case ServerToolResult():
            return part.content
        case Image() | File():
            return f"[{type(part).__name__}]"
        case _:
            return part if isinstance(part, str) else ""


@dataclass(frozen=True, slots=True)
class Compaction:
    """The agent function of `compact`.

    Attributes:
        limit: of tokens.
        keep: how many messages stay.
        by: writes summaries.
        made: the summaries of this agent; it knows the conversations that it was sent again.
    """

    limit: int
    keep: int
    by: MiniAgent[Message, Message]
    made: list[Summary] = field(default_factory=list[Summary])

    @property
    def components(self) -> tuple[MiniAgent[Message, Message], ...]:
        """The agent that writes summaries."""
        return (self.by,)

    async def __call__(self, ctx: InteractionContext) -> None:
        """Reply the messages, or a summary and the last ones."""
        messages = await ctx.messages
        known = {each.hash_key for each in messages}
        # A summary of messages that are not here is an ordinary message.
        given = [each for each in messages if isinstance(each, Summary) and known.issuperset(each.replaces)]
        plain = [each for each in messages if each not in given] if given else list(messages)
        spoken = [each for each in plain if each.role != "system"]
        keys = [each.hash_key for each in spoken]
        found = [each for each in (*given, *self.made) if keys[: len(each.replaces)] == list(each.replaces)]
        summary = max(found, key=lambda each: len(each.replaces), default=None)
        if self._size(plain, spoken, summary) < self.limit:
            ctx.reply(_view(plain, summary) if given or summary else ctx.messages)
            return
        begin = 0 if summary is None else len(summary.replaces)
        cut = self._cut(plain, spoken)
        if cut > begin:
            old = ([] if summary is None else [summary]) + spoken[begin:cut]
            text = "\n\n".join(_transcript(each) for each in old)
            told = str(await self.by.inquire(UserMessage(f"{_TASK}\n\n---\n\n{text}")))
            summary = Summary(f"{_BEGIN}{told}", replaces=keys[:cut], among=len(spoken))
            self.made[:] = [*self.made[1 - _MOST :], summary]
        ctx.reply(_view(plain, summary))

    def _size(self, plain: Sequence[Message], spoken: Sequence[Message], summary: Summary | None) -> int:
        """Return the tokens of a conversation: what the last answer reports, and an estimate of the rest."""
        # Answers from before the summary report the tokens of the messages that it replaces.
        since = 0 if summary is None else summary.among
        for at in range(len(spoken) - 1, since - 1, -1):
            usage = getattr(spoken[at], "usage", None)
            if isinstance(usage, Usage) and usage.input_tokens is not None:
                return usage.input_tokens + (usage.output_tokens or 0) + estimated(spoken[at + 1 :])
        return estimated(_view(plain, summary))

    def _cut(self, plain: Sequence[Message], spoken: Sequence[Message]) -> int:
        """Return how many messages a summary replaces: all but the last ones, as many as fit."""
        system = estimated([each for each in plain if each.role == "system"])
        cuts = [_whole(spoken, len(spoken) - keep) for keep in range(self.keep, 0, -1)]
        fitting = (cut for cut in cuts if system + estimated(spoken[cut:]) < self.limit * 0.75)
        return next(fitting, cuts[-1])


def _whole(spoken: Sequence[Message], cut: int) -> int:
    """Return the place at or before a cut at which no call is separated from its results."""
    cut = max(cut, 0)
    results = {
        part.call_id
        for each in spoken[cut:]
        if isinstance(each, ToolMessage)
        for part in each.parts
        if isinstance(part, ToolResult)
    }
    calls = (
        at
        for at, each in enumerate(spoken[:cut])
        if isinstance(each, AssistantMessage) and any(call.id in results for call in each.tool_calls)
    )
    return next(calls, cut)


def _view(plain: Sequence[Message], summary: Summary | None) -> list[Message]:
    """Return a conversation with a summary in the place of what it replaces; system messages stay."""
    if summary is None:
        return list(plain)
    places = [at for at, each in enumerate(plain) if each.role != "system"]
    end = places[len(summary.replaces) - 1] + 1
    return [*(each for each in plain[:end] if each.role == "system"), summary, *plain[end:]]


def _transcript(message: Message) -> str:
    """Return a message as a text for the agent that writes the summary."""
    return f"{message.role}: {' '.join(filter(None, map(_text_of, _content(message))))}"

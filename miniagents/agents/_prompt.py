"""``prompt()``: a template with named slots, as an agent; text that streams into a slot streams out again."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from textwrap import shorten
from typing import Final, Generic, TypeAlias, cast
from uuid import UUID

from typing_extensions import ParamSpec, override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._message_type import flat_messages
from miniagents.values import name_of

from ._agent import MiniAgent
from ._algebra._operands import ReplyContext
from ._keywords import Keywords
from ._prompt_text import PromptText

P = ParamSpec("P", default=...)
Q = ParamSpec("Q")

SlotValue: TypeAlias = MessageType | float | Decimal | date | time | UUID
"""A value for a slot of a prompt: any ``MessageType``, or a value that is written with ``str``."""

_READ_AGAIN: Final = (str, Message, MessagePromise, MessageSequencePromise)
_WRITTEN: Final = (int, float, Decimal, date, time, UUID)
_LONGEST: Final = 80  # how many characters of a prompt a description has


class Slots(Keywords):
    """The slots of a prompt as keywords; one of them can be filled by the messages that it is sent."""

    __slots__ = ()

    @override
    def check_complete(self, alias: str, given: Mapping[str, object]) -> None:
        missing = [name for name in self.names if name not in given]
        if len(missing) > 1:
            raise TypeError(
                f"Agent {alias} has no value for its slots {', '.join(missing)}. Give all but one of them to "
                "inquire, or before to fork or bind; the one that is left gets the messages that it is sent."
            )


@dataclass(frozen=True, slots=True)
class Filling:
    """The agent function of a prompt.

    Attributes:
        texts: the texts of its messages.
    """

    texts: tuple[PromptText, ...]

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of all slots, each once, in their order."""
        return tuple(dict.fromkeys(slot for text in self.texts for slot in text.slots))

    @property
    def description(self) -> str:
        """The beginning of the prompt."""
        slot_texts = [
            "".join(
                f"{literal}{{{slot}}}" if slot else str(literal)
                for literal, slot in zip(text.literals, (*text.slots, ""), strict=True)
            )
            for text in self.texts
        ]
        return f"Fills in the prompt: {shorten(' '.join(slot_texts), _LONGEST, placeholder='...')}"

    async def __call__(self, ctx: ReplyContext, /, **values: object) -> None:
        """Reply the prompt, and after it the messages that were sent and fill no slot."""
        filled: dict[str, MessageType] = {name: _filling(name, value) for name, value in values.items()}
        free = next((slot for slot in self.slots if slot not in filled), None)
        if free is not None:
            filled[free] = ctx.messages
        for text in self.texts:
            ctx.reply(text.filled(filled, free))
        if free is None:
            ctx.reply(ctx.messages)


def _filling(name: str, value: object) -> MessageType:
    """Return the value of a slot as messages that can be read several times.

    Raises:
        TypeError: the value cannot become messages.
    """
    if value is None:
        raise TypeError(f'the slot {{{name}}} of a prompt was given None; give "" to leave it empty')
    if isinstance(value, _WRITTEN):
        return str(value)
    if isinstance(value, _READ_AGAIN):
        return cast("MessageType", value)
    try:
        return MessageSequencePromise(cast("MessageType", value))
    except TypeError as error:
        raise TypeError(f"the slot {{{name}}} of a prompt cannot be filled: {error}") from None


class Prompt(MiniAgent[Message, Message, P], Generic[P]):
    """An agent that replies a prompt; :func:`prompt` makes it, and it never changes.

    Example:
        >>> from miniagents import prompt
        >>> prompt("Hello, {name}!")
        <MiniAgent PROMPT>
    """

    __slots__ = ()

    def typed(self, function: Callable[Q, object], /) -> "Prompt[Q]":
        """Return the same prompt with the keywords of a function; type checkers check their names and types.

        The slot that is not a parameter gets the messages that the agent is sent.

        Args:
            function: only its signature, its name and its docstring are used: they become the keywords, the
                alias and the description. It is never called.

        Raises:
            TypeError: a parameter is not a slot or cannot be given by keyword, or more than one slot is left.

        Example:
            >>> from miniagents import MiniAgents, prompt
            >>> @prompt("Summarise in {language}: {text}").typed
            ... def summarise(language: str = "English") -> None:
            ...     '''Asks for a summary.'''
            >>> async def main():
            ...     print(await summarise.inquire("Once upon a time...", language="French"))
            >>> MiniAgents().run(main())
            Summarise in French: Once upon a time...
        """
        name = name_of(function)
        slots = self._keywords.names
        defaults = dict(self._defaults)
        required: list[str] = []
        parameters = inspect.signature(function).parameters
        for parameter in parameters.values():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise TypeError(
                    f"The parameter {parameter.name!r} of {name} cannot be given by keyword; slots need that."
                )
            if parameter.name not in slots:
                known = ", ".join(slots) or "none"
                raise TypeError(
                    f"The parameter {parameter.name!r} of {name} is no slot of the prompt; it has: {known}."
                )
            if parameter.default is not parameter.empty:
                defaults[parameter.name] = parameter.default
            elif parameter.name not in defaults:
                required.append(parameter.name)
        left = [slot for slot in slots if slot not in parameters and slot not in defaults]
        if len(left) > 1:
            raise TypeError(
                f"{name} has no parameter for the slots {', '.join(left)}. The messages that are sent "
                "can fill one slot only; make the others parameters."
            )
        keywords = Keywords(tuple(parameters), frozenset(required), open=False, defaults={})
        description = inspect.getdoc(function) or self.description
        return Prompt(
            self._function,
            keywords,
            alias=name.upper(),
            description=description,
            defaults=keywords.frozen(defaults),
        )


def prompt(*templates: MessageType, **values: SlotValue) -> Prompt:
    """Make an agent that writes a prompt: texts with named slots; the values of the slots stream.

    A slot is a name in braces: ``{text}``. The keyword with its name fills it, here or in ``bind``, ``fork``
    or ``inquire``. One slot may have no keyword: it gets the messages. If every slot has one, the messages
    follow the prompt unchanged. Values are never read as templates; ``{{`` and ``}}`` are braces.

    Args:
        *templates: a text, which becomes a ``UserMessage``; another message; or a list of these.
        **values: of slots: texts, numbers, messages, promises and streams of messages.

    Returns:
        The agent, whose keywords are its slots. It replies one message for each template.

    Raises:
        MessageValidationError: braces hold anything but a name, or have no partner.
        TypeError: no template is given, one is not a message, or a value has no slot.

    Example:
        >>> from miniagents import MiniAgents, SystemMessage, prompt
        >>> summarise = prompt(SystemMessage("Be {tone}."), "Summarise in {language}: {text}", tone="brief")
        >>> async def main():
        ...     print(await summarise.inquire("A raven sat in a tree.", language="German"))
        >>> MiniAgents().run(main())
        Be brief.
        <BLANKLINE>
        Summarise in German: A raven sat in a tree.
    """
    texts: list[PromptText] = []
    for template in templates:
        for message in flat_messages(template):
            if not isinstance(message, Message):
                raise TypeError(
                    f"a prompt is made of texts and complete messages, and this is a value of type "
                    f"{type(message).__name__}; use it as the value of a slot"
                )
            texts.append(PromptText.of(message))
    if not texts:
        raise TypeError('a prompt has at least one text: write prompt("Summarise: {text}")')
    filling = Filling(tuple(texts))
    slots = filling.slots
    keywords = Slots(slots, frozenset(slots), open=False, defaults={})
    return Prompt(
        filling,
        keywords,
        alias="PROMPT",
        description=filling.description,
        defaults=keywords.taken("PROMPT", (), values),
    )

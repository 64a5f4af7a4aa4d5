"""The dialogs of a run: what was said to its interactive agents, and what they had taken of it."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, cast

from miniagents.messages import InputMessage, Message, Messages, MessageSequencePromise

from ._call_keys import question_of
from ._message_records import Json, Registry
from ._questions import CUT, INSIDE
from ._recorded import PLAYED
from ._stores import Event

_REGISTRY: Final = Registry()
_SAY: Final = "say"
_PLAYED_WITHIN: Final = 1.0  # seconds: code of an agent that was cut while it called nothing may take longer


def _registry() -> Registry:
    """Of all message classes of the program, except those that share a name."""
    classes: dict[str, set[type[Message]]] = {}
    below: list[type[Message]] = [Message]
    for each in below:
        below += each.__subclasses__()
        classes.setdefault(each.__name__, set()).add(each)
    return Registry(each for found in classes.values() if len(found) == 1 for each in found)


def saying(message: InputMessage) -> tuple[str, Json]:
    """Return the key and the data under which a message is sent to a run.

    Args:
        message: with an id, under which it counts once.
    """
    return f"{_SAY}:{message.input_id}", _REGISTRY.data_of(message)


def heard_in(events: Iterable[Event]) -> set[str]:
    """Return the ids of what was said to the dialogs of a run, and has come.

    Args:
        events: of its log.
    """
    return {str(event[3]) for event in events if event[0] == "input"}


class RunDialogs:
    """Writes the dialogs of a run, and has what is written of them.

    Args:
        events: what is in the log already.
        add: writes an event, soon.

    Attributes:
        add: writes an event, soon.
        heard: the ids of what was said to a dialog, and has come.
        is_kept: returns whether anything is kept of an answer of a dialog.
        forget: called with an answer that was cut, or was and is played: what else is kept of it is left out.
    """

    def __init__(self, events: Sequence[Event], add: Callable[[Event], None]) -> None:
        self._events = events
        self.add: Callable[[Event], None] = add
        self.heard: set[str] = heard_in(events)
        self._begun: dict[int | str, tuple[Callable[[Message], None], Callable[[], None]] | None] = {}
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._said: dict[str, InputMessage] = {}  # before a dialog has begun
        self.is_kept: Callable[[str], bool] | None = None
        self.forget: Callable[[str], None] | None = None

    def begin(self, take: Callable[[Message], None], play_on: Callable[[], None]) -> "WrittenDialog":
        """Begin a dialog.

        Args:
            take: takes a message from outside.
            play_on: called when something is done that is not written yet.
        """
        # Counted among those in the same answer or call: others may not be begun again.
        outside = INSIDE.get()[-1:]
        name: int | str = f"{outside[0]} {self._counts[outside]}" if outside else self._counts[outside]
        self._counts[outside] += 1
        self._begun[name] = take, play_on
        return WrittenDialog(name, self._events, self)

    def began(self) -> None:
        """Pass on what was said before the dialog had begun."""
        said, self._said = self._said, {}
        for message in said.values():
            self.say(message)

    def ended(self, name: int | str) -> None:
        """Note that a dialog has ended."""
        self._begun[name] = None

    @property
    def open(self) -> bool:
        """Whether a dialog goes on, or none has begun yet."""
        return not self._begun or any(self._begun.values())

    def play_on(self) -> None:
        """Note that a call is made that is not written: from here on everything happens anew."""
        for each in [*self._begun.values()]:
            if each is not None:
                each[1]()

    def on_sent(self, key: str, data: object) -> None:
        """Take a message that was sent to the run.

        Args:
            key: under which it was sent.
            data: of the message.
        """
        if not key.startswith(f"{_SAY}:"):
            return
        message = _REGISTRY.value_of(cast("Json", data))
        if isinstance(message, InputMessage):
            self.say(message)

    def say(self, message: InputMessage) -> None:
        """Say something to the dialog that goes on; before it begins, it waits.

        Args:
            message: with an id, which counts once.
        """
        goes_on = next((each for each in self._begun.values() if each is not None), None)
        if goes_on is None:
            self._said[message.input_id] = message
        else:
            goes_on[0](message)


async def _until_over(replies: MessageSequencePromise) -> None:
    with suppress(Exception):
        await replies


class WrittenDialog:
    """One dialog of a run, as it is written.

    Args:
        name: of the dialog in the run.
        events: what is in the log already.
        dialogs: of the run.

    Attributes:
        inputs: what has come, by keys, in that order.
    """

    def __init__(self, name: int | str, events: Iterable[Event], dialogs: RunDialogs) -> None:
        self._name = name
        self._dialogs = dialogs
        self._taken: dict[str, tuple[Sequence[str], bool]] = {}
        self._cuts: dict[int, tuple[str, Sequence[Message | str]]] = {}
        self._outside = INSIDE.get()
        self.inputs: dict[str, Message] = {}
        self._gone: set[str] = set()
        registry = _registry()
        for event in events:
            self._read(event, registry)

    def _read(self, event: Event, registry: Registry) -> None:
        match event:
            case ["input", _, self._name, str(key), data]:
                message = registry.value_of(data)
                if isinstance(message, Message):
                    self.inputs[key] = message
            case ["delivered", _, self._name, str(place), list(keys), bool(ends)]:
                taken = [str(key) for key in keys]
                self._taken[place] = taken, ends
                for key in taken:
                    self._replace_before(key)
                self._gone.update(taken)
            case ["cut", _, self._name, int(answer), str(how), list(shown)]:
                values = [each if isinstance(each, str) else registry.value_of(each) for each in shown]
                messages = [each for each in values if isinstance(each, str | Message)]
                self._cuts[answer] = how, messages
            case _:
                pass

    def _replace_before(self, key: str) -> None:
        """Leave out what waited when a rollback came."""
        taken = self.inputs.get(key)
        if isinstance(taken, InputMessage) and taken.when == "rollback":
            for other, message in self.inputs.items():
                if other == key:
                    break
                if not (isinstance(message, InputMessage) and message.when == "queue"):
                    self._gone.add(other)

    def left(self) -> list[str]:
        """Return the keys of what had come before, and was neither taken nor replaced."""
        return [key for key in self.inputs if key not in self._gone]

    def came(self, key: str, message: Message, /) -> None:
        """Write that a message has come."""
        self.inputs[key] = message
        self._dialogs.heard.add(key)
        self._dialogs.add(["input", 0, self._name, key, _REGISTRY.data_of(message)])

    def place(self, conversation: Sequence[Message], /) -> str:
        """Return a name for the boundary of a tool loop after these messages."""
        return hashlib.sha256(question_of(Messages(conversation)).encode(errors="surrogatepass")).hexdigest()

    def taken(self, place: str, /) -> tuple[Sequence[str], bool] | None:
        """Return what was taken at a place, and whether the loop ended there; None if it is not written."""
        return self._taken.get(place)

    def takes(self, place: str, keys: Sequence[str], /, *, ends: bool = False) -> None:
        """Write what is taken at a place."""
        self._dialogs.add(["delivered", 0, self._name, place, list(keys), ends])

    def begin(self, answer: int, /) -> tuple[str, Sequence[Message | str]] | None:
        """Begin an answer; return how it was cut, and what had been shown of it; None if it was not."""
        INSIDE.set((*self._outside, self._inside(answer)))
        PLAYED.set(answer in self._cuts)  # what it used is counted already
        return self._cuts.get(answer)

    async def play(self, inquire: Callable[[], MessageSequencePromise], /) -> None:
        """Play what is kept of an answer that was cut: so agents have done what they did before that."""
        dialogs, inside = self._dialogs, INSIDE.get()[-1]
        if dialogs.is_kept is not None and dialogs.is_kept(inside):
            end = asyncio.Event()
            before = CUT.set(end)
            replies = inquire()
            CUT.reset(before)
            waits = [asyncio.ensure_future(end.wait()), asyncio.ensure_future(_until_over(replies))]
            try:
                await asyncio.wait(waits, timeout=_PLAYED_WITHIN, return_when=asyncio.FIRST_COMPLETED)
            finally:
                replies.cancel()
                for each in waits:
                    each.cancel()
                await asyncio.wait(waits)
        if dialogs.forget is not None:
            dialogs.forget(inside)

    def cuts(self, answer: int, how: str, shown: Sequence[Message | str], /) -> None:
        """Write how an answer is cut, and what was shown of it; keys stand for input."""
        data: list[Json] = [each if isinstance(each, str) else _REGISTRY.data_of(each) for each in shown]
        self._dialogs.add(["cut", 0, self._name, answer, how, data])
        if self._dialogs.forget is not None:
            self._dialogs.forget(self._inside(answer))

    def _inside(self, answer: int) -> str:
        return f"answer {self._name}.{answer}"

    def began(self) -> None:
        """Note that the dialog takes what is said to the run."""
        self._dialogs.began()

    def close(self) -> None:
        """Note that the dialog has ended."""
        self._dialogs.ended(self._name)

"""``CallRecords``: makes the journal entries of one agent, for code that makes many calls itself (jobs)."""

import hashlib
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from miniagents.agents import MiniAgent
from miniagents.messages import Message, Messages, MessageSequencePromise
from miniagents.messages._message import message_of
from miniagents.messages._parts import shown_text, told_by
from miniagents.values import Part, set_partial_text

from ._call_keys import CallKey, RecordedFunction, function_of, identity_of, question_of, question_of_text
from ._message_records import Json, encode_data
from ._recorded import made_of, outcome_of_call
from ._recordings import MessageForm, RecordedEvent, error_data, error_from_data, part_of_data
from ._stores import JournalEntry, JournalError

_NOTE: Final = "note"  # an event with a note on a call; a replay ignores it


class CallRecords:
    """Makes the journal keys and entries of the calls of one agent, and reads them.

    The keys are those of :func:`recorded`: each of the two finds the calls that the other one has kept.

    Args:
        agent: the agent that is called.
        version: of the agent; change it when the agent changes.
        name: replaces its alias.
        message_classes: classes of replies that the agent does not declare.

    Attributes:
        function: the function whose calls are recorded, for :meth:`CallStore.check`.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> records = CallRecords(scripted_model(alias="JUDGE"), version="2")
        >>> records.function.name, len(records.key(records.question_of_text("Hello")).digest)
        ('JUDGE', 32)
    """

    def __init__(
        self,
        agent: MiniAgent[Message, Message, ...],
        *,
        version: str,
        name: str | None = None,
        message_classes: Iterable[type[Message]] = (),
    ) -> None:
        known_as = agent.alias if name is None else name
        self.function: RecordedFunction = function_of(agent, known_as, version)
        self._form = MessageForm.of(agent, message_classes)
        agent_identity = identity_of(known_as, version, agent)
        self._identity_hash = hashlib.sha256(f"{agent_identity}\n".encode(errors="surrogatepass"))

    def key(self, question: str, *, identity: str | None = None, number: int = 0) -> CallKey:
        """Return the key of a call.

        Args:
            question: the messages, of :meth:`question_of`.
            identity: distinguishes the call from others with the same messages.
            number: how many equal calls were made before.
        """
        summed = self._identity_hash.copy()
        summed.update(question.encode(errors="surrogatepass"))
        if identity is not None:
            summed.update(f"\n{identity}".encode(errors="surrogatepass"))
        return CallKey(summed.digest(), "", number)

    @staticmethod
    def question_of(messages: Messages) -> str:
        """Return messages as JSON.

        Args:
            messages: that the agent is sent.
        """
        return question_of(messages)

    @staticmethod
    def question_of_data(value: object) -> str:
        """Return any value as a text, the same for equal values; for what cannot become messages.

        Args:
            value: data, or anything else.
        """
        try:
            return repr(encode_data(value))
        except TypeError:
            return repr(value)
        except RecursionError:  # it is nested too deep; its beginning tells most such values apart
            return reprlib.repr(value)

    @staticmethod
    def question_of_text(text: str) -> str:
        """Return the same for a message with only a text, faster.

        Args:
            text: of the message.
        """
        return question_of_text(text)

    def entry(self, question: str, replies: MessageSequencePromise[Message]) -> JournalEntry:
        """Return the entry of a call that did not fail.

        Args:
            question: the messages of the call, as JSON.
            replies: of the call; they were awaited.
        """
        made = outcome_of_call(self._form, replies, None)
        return JournalEntry(self.function, question, () if made is None else made.events)

    async def failed_entry(
        self, question: str, replies: MessageSequencePromise[Message], error: Exception
    ) -> JournalEntry:
        """Return the entry of a call that failed, with the parts that had come.

        Args:
            question: the messages of the call, as JSON.
            replies: of the call; they have ended.
            error: the reason.
        """
        made = await made_of(self._form, replies)
        if made is None or not made.failed:
            return self.failure(question, error)
        return JournalEntry(self.function, question, made.events, failed=True)

    def failure(self, question: str, error: Exception) -> JournalEntry:
        """Return the entry of a call that failed with an error that is not in its replies.

        Args:
            question: the messages of the call, as JSON.
            error: the reason.
        """
        failed = RecordedEvent(0.0, "error", None, error_data(error))
        return JournalEntry(self.function, question, (failed,), failed=True)

    @staticmethod
    def noted(entry: JournalEntry, note: Json) -> JournalEntry:
        """Return an entry with a note.

        Args:
            entry: without a note.
            note: data about the call.
        """
        return replace(entry, events=(*entry.events, RecordedEvent(0.0, _NOTE, None, note)))

    @staticmethod
    def note_of(entry: JournalEntry) -> Json:
        """Return the note of a call; None if there is none.

        Args:
            entry: of the journal.
        """
        last = entry.events[-1] if entry.events else None
        return last.data if last is not None and last.what == _NOTE else None

    @staticmethod
    def error_of(entry: JournalEntry, text: str = "") -> Exception | None:
        """Return the error of a call, of the same class if it is known; None if the call did not fail.

        Args:
            entry: of the journal.
            text: what :func:`partial_text` returns for the error, unless the entry has it.
        """
        for event in entry.events:
            if event.what == "error":
                error = error_from_data(event.data if isinstance(event.data, dict) else {})
                if text:
                    set_partial_text(error, text)
                return error
        return None

    def messages_of(self, entry: JournalEntry) -> Messages:
        """Return the replies of a call, as awaiting it would return them.

        Args:
            entry: of the journal; the call did not fail.

        Raises:
            JournalError: the entry cannot be read.
        """
        try:
            return Messages(self._messages(entry.events))
        except (ValueError, TypeError) as error:
            raise JournalError(
                f"A call of {entry.function.name} in a journal cannot be read: {error}; prune the journal."
            ) from None

    def _messages(self, events: Sequence[RecordedEvent]) -> Iterable[Message]:
        kind: type[Message] = Message
        parts: list[Part] = []
        for event in events:
            if event.what == "message":
                found = self._form.begun(event.data)
                if isinstance(found, Message):
                    yield found
                else:
                    kind, parts = found, []
            elif event.what == "part":
                parts.append(part_of_data(event.data))
            elif event.what == "end":
                data = dict(self._form.ended(event.data))
                data |= told_by(parts)
                text = data.pop("text") if "text" in data else "".join(map(shown_text, parts))
                yield message_of(kind, str(text), data)

"""``ReplyClasses``: warns of answers whose class a later run would not know."""

import logging

from miniagents.errors import JournalError
from miniagents.messages import Message

from ..journal import CallRecords, JournalEntry

logger = logging.getLogger("miniagents.jobs")


class ReplyClasses:
    """Warns, once for each class, if an answer would come from the journal as a message of another class.

    Args:
        alias: the name of the agent.
        records: the calls in the journal.
    """

    def __init__(self, alias: str, records: CallRecords) -> None:
        self._alias = alias
        self._records = records
        self._checked: set[type[Message]] = set()

    def check(self, entry: JournalEntry, message: Message) -> None:
        """Log a warning if the class of an answer is not the one that a later run would return."""
        kind = type(message)
        if kind in self._checked:
            return
        self._checked.add(kind)
        try:
            later = type(self._records.messages_of(entry)[-1])
        except JournalError:  # a later run sends the row again
            return
        if later is not kind:
            logger.warning(
                "%s replied a %s, which it does not declare. From the journal, the answer comes as a %s. "
                "Declare the class in the agent, or give the job message_classes=[%s].",
                self._alias,
                kind.__name__,
                later.__name__,
                kind.__name__,
            )

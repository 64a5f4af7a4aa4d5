"""What the facts about our own types speak of: messages of several classes."""

from typing import ClassVar

from pydantic import Field

from miniagents import Message


class Question(Message):
    """A field that must be given, and one that need not."""

    topic: str
    hints: tuple[str, ...] = ()


class HardQuestion(Question):
    """Still a question, with one more field that must be given."""

    points: int


class Answer(Message):
    """Everything has a default; a class variable is no field."""

    role: ClassVar[str] = "assistant"
    score: float = 0.0
    sources: tuple[str, ...] = ()


class Citation(Message):
    """Its text is always there."""

    text: str = Field(kw_only=False)
    url: str | None = None

"""`ContentMessage`: a message with text and other parts, such as images and tool calls."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, cast

from pydantic import Field, model_validator
from typing_extensions import override

from miniagents.values import Content, ContentField, Part, Refusal, parts_of_content

from ._message import Message


class ContentMessage(Message, deferred=True):
    """A message with `parts`; without parts it is only its text.

    Attributes:
        parts: its whole content, in order, including its texts. Empty if it is only a text.
    """

    __validators_of_one_field__: ClassVar[Mapping[str, str]] = {"_text_from_parts": "parts"}

    role: ClassVar[str] = "user"
    parts: tuple[ContentField, ...] = Field(default=(), exclude_if=lambda parts: not parts)

    @model_validator(mode="before")
    @classmethod
    def _text_from_parts(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        fields = cast("dict[str, object]", data)
        parts = fields.get("parts")
        if not parts or fields.get("text") or isinstance(parts, str | bytes | Mapping):
            return fields
        whole = tuple(cast("Iterable[object]", parts))
        return {**fields, "parts": whole, "text": cls._text_of(cast("tuple[Content, ...]", whole))}

    @classmethod
    def _text_of(cls, parts: Iterable[Content]) -> str:
        texts = (part.text if isinstance(part, Refusal) else part for part in parts)
        return "".join(text for text in texts if isinstance(text, str))

    @property
    def content(self) -> tuple[Content, ...]:
        """The whole content, in order: its parts, including its text.

        If ``text`` differs from the text of the parts (it was given separately, or changed later), it
        replaces the texts among the parts, at the place of the first one. If there are none, it comes first.
        """
        text = self.text or ""
        if not self.parts:
            return (text,) if text else ()
        if self._text_of(self.parts) == text:
            return self.parts
        content: list[Content] = [part for part in self.parts if not isinstance(part, str | Refusal)]
        before = 0
        if len(content) < len(self.parts):
            before = next(at for at, part in enumerate(self.parts) if isinstance(part, str | Refusal))
        content.insert(before, text)
        return tuple(content)

    @override
    def _streamed(self) -> list[Part]:
        return list(parts_of_content(self.content)) if self.parts else []

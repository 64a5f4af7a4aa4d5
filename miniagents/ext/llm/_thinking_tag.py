"""Takes thoughts out of a text, where some servers write them, as in ``<think>Hm.</think>It rains``."""

from collections.abc import Iterator

from miniagents.values import Reasoning

from ._answer import Count, Decode, Decoded, Identity, Progress
from ._opaque import opaque
from ._sse import ServerEvent


class TaggedThoughts:
    """Decodes as another decoder does, but the thoughts at the beginning of the text are `Reasoning`.

    What looks like a thought in the middle of the text is text: an answer may be about such tags.

    Args:
        decode: of the server.
        tag: the name of the tag, such as ``think``.

    Example:
        >>> decode = TaggedThoughts(lambda event: [event.data.decode()], "think")
        >>> [part for piece in (b"<thi", b"nk>Hm", b".</think>It", b" rains.") for part in
        ...  decode(ServerEvent("", piece))]
        [Reasoning(text='Hm', ...), Reasoning(text='.', ...), Reasoning(text='', ...), 'It', ' rains.']
    """

    def __init__(self, decode: Decode, tag: str) -> None:
        self._decode = decode
        self._begin, self._end = f"<{tag}>", f"</{tag}>"
        self._opaque = {"tag": tag}
        self._space: list[str] = []  # around a thought
        self._held = ""  # text that may be the beginning of a tag
        self._inside = False
        self._leading = True  # no text has come
        self._index = 0  # of the thought
        self._after = False  # a thought has ended

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event."""
        parts: list[Decoded] = []
        for part in self._decode(event):
            if isinstance(part, str):
                parts += self._split(part) if self._leading else [part]
            else:
                held = self._held or self._space
                if held and not isinstance(part, Identity | Progress | Count | Reasoning):
                    parts += self._rest()
                parts.append(part)
        return parts

    def _split(self, text: str) -> Iterator[Decoded]:
        held, self._held, at = self._held + text, "", 0
        while at < len(held):
            if self._inside:
                end = held.find(self._end, at)
                if (upto := end) < 0:
                    tails = range(max(at, len(held) - len(self._end) + 1), len(held) + 1)
                    upto = next(each for each in tails if self._end.startswith(held[each:]))
                if upto > at:
                    yield Reasoning(held[at:upto], index=self._index, opaque=opaque(**self._opaque))
                if end < 0:
                    self._held = held[upto:]
                    return
                at = end + len(self._end)
                self._inside, self._after = False, True
                continue
            begun = next((each for each in range(at, len(held)) if not held[each].isspace()), len(held))
            self._space.append(held[at:begun])
            if not held.startswith(self._begin, begun):
                self._held = held[begun:]
                if not self._begin.startswith(self._held):
                    yield from self._rest()
                return
            at = begun + len(self._begin)
            self._index += self._after
            self._inside, self._after = True, False
            self._space.clear()

    def _rest(self) -> Iterator[Decoded]:
        """Return what was held: no tag begins here."""
        held, self._held = self._held, ""
        if self._inside:
            yield Reasoning(held, index=self._index, opaque=opaque(**self._opaque))
            return
        self._leading = False
        space = "".join(self._space)
        self._space.clear()
        if self._after:  # the white space behind a thought goes back with it
            yield Reasoning(index=self._index, opaque=opaque(**self._opaque, after=space))
        else:
            held = space + held
        if held:
            yield held

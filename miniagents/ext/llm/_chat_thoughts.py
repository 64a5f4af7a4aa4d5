"""Thoughts, images and sound in Chat Completions, for which the protocol has no fields, or several.

Servers need some of it back in the next request. It is in `opaque` of the thoughts, and `openai.py` writes it
into the message again:

* ``field``: the name under which the text of the thought came (`reasoning_content` of DeepSeek, Moonshot and
  others; `reasoning` of OpenRouter, Groq, Ollama, vLLM);
* ``part``: the part of the content that it was (Mistral), without its text;
* ``message``: fields of the whole message (`reasoning_details` of OpenRouter and MiniMax, `thinking_blocks`
  of LiteLLM, the `extra_content` with a signature of Gemini, the id of `audio`).
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, cast

from miniagents.values import File, Image, Reasoning

from ._answer import Decoded, Progress
from ._fields import list_of
from ._json import look
from ._opaque import opaque

_FIELDS: Final = MappingProxyType({name: opaque(field=name) for name in ("reasoning_content", "reasoning")})
_LISTS: Final = ("reasoning_details", "thinking_blocks")
_TEXTS: Final = ("text", "summary", "thinking")


class _Pieces(list[str]):
    """The pieces of a text, which is joined when the server needs it back."""


class Thoughts:
    """Collects what the server of one answer needs back with the message."""

    def __init__(self) -> None:
        self._kept: dict[str, object] = {}  # fields of the message
        self._told = ""  # what the reader has got of them
        self._named = ""  # the field of thoughts, if one came that is empty
        self._thought = False  # a thought has come
        self._sound: list[bytes] = []

    def parts(self, said: Mapping[str, object], *, whole: bool) -> Iterator[Decoded]:
        """Return the thoughts and images of a piece, and the words of its sound.

        Args:
            said: the piece.
            whole: whether it is the whole message.
        """
        name = next((each for each in _FIELDS if said.get(each)), "")
        thought = said.get(name)
        details = "".join(
            self._listed(each, said.get(each), named=bool(name), whole=whole) for each in _LISTS
        )
        if isinstance(thought, str) or (details and not name):
            self._thought = True
            yield Reasoning(thought, opaque=_FIELDS[name]) if isinstance(thought, str) else Reasoning(details)
        elif thought or details:
            yield Progress()
        self._named = next((each for each in _FIELDS if said.get(each) == ""), self._named)
        if look(extra := said.get("extra_content"), "google", "thought_signature"):
            self._kept["extra_content"] = extra
        for each in list_of(said.get("images")):
            yield attachment_in(each) or Progress()
        if (audio := said.get("audio")) is not None:
            yield from self._heard(audio)

    def owed(self, *, calls: bool) -> Iterator[Decoded]:
        """Return what the server needs back, when a part of the answer may be its last.

        Args:
            calls: whether the answer has calls: then DeepSeek needs even an empty thought back.
        """
        if calls and self._named and not self._thought:
            self._thought = True
            yield Reasoning(opaque=_FIELDS[self._named])
        if self._kept and (told := opaque(message=_joined(self._kept))) != self._told:
            self._told = told
            yield Reasoning(opaque=told)
        if self._sound:
            yield File(data=b"".join(self._sound), name="audio")
            self._sound = []

    def _listed(self, name: str, given: object, *, named: bool, whole: bool) -> str:
        """Keep the items of a list of thoughts, and return their new text."""
        kept: list[dict[str, object]] = (
            [] if whole else cast("list[dict[str, object]]", self._kept.get(name, []))
        )
        new = ""
        for each in list_of(given):
            if not isinstance(each, dict):
                continue
            item = cast("dict[str, object]", each)
            key = next((key for key in _TEXTS if isinstance(item.get(key), str)), "")
            text = cast("str", item.get(key, ""))
            last = kept[-1] if kept and not whole else {}
            fields = {field: _begun(field, value) for field, value in item.items()}
            if (
                last
                and (last.get("type"), last.get("index")) == (item.get("type"), item.get("index"))
                and (key or item.get("signature"))
            ):
                before = last.get(key)
                pieces = before if isinstance(before, _Pieces) else _Pieces()
                text = text if named else _behind(text, pieces)
                last.update({field: value for field, value in fields.items() if value is not None})
                if key:
                    last[key] = pieces
                    pieces += [text] if text else []
            else:
                kept.append(fields)
            new += text
        if kept:
            self._kept[name] = kept
        return new

    def _heard(self, audio: object) -> Iterator[Decoded]:
        """Take a piece of sound; its words are the text."""
        if isinstance(each := look(audio, "id"), str):
            self._kept["audio"] = {"id": each}
        if isinstance(data := look(audio, "data"), str) and (sound := _bytes(data)):
            self._sound.append(sound)
            yield Progress()
        if isinstance(words := look(audio, "transcript"), str) and words:
            yield words


def _begun(field: str, value: object) -> object:
    return _Pieces([value]) if field in _TEXTS and isinstance(value, str) else value


def _behind(text: str, pieces: _Pieces) -> str:
    """Return what is new of a text: MiniMax repeats the whole text in each piece."""
    at = 0
    for piece in filter(None, pieces):
        if not text.startswith(piece, at):
            return text
        at += len(piece)
    return text[at:]


def _joined(kept: object) -> object:
    """Return what is kept, with its texts as texts."""
    if isinstance(kept, _Pieces):
        return "".join(kept)
    if isinstance(kept, dict):
        return {name: _joined(each) for name, each in cast("dict[str, object]", kept).items()}
    return [_joined(each) for each in cast("list[object]", kept)] if isinstance(kept, list) else kept


def thought_in(part: object, text: str) -> Decoded:
    """Return a thought that is a part of the content.

    Args:
        part: of the content.
        text: of the thought.
    """
    kept = {name: value for name, value in cast("dict[str, object]", part).items() if value is not None}
    if not (text or kept.get("signature")):  # Mistral's signature may come alone
        return Progress()
    kept.pop("thinking", None)
    return Reasoning(text, opaque=opaque(part=kept) if kept.get("type") == "thinking" else None)


def attachment_in(part: object) -> Image | File | None:
    """Return an image or sound that a model has made; None if a part is neither."""
    address = look(part, "image_url", "url") or look(part, "image_url")
    if isinstance(address, str):
        return Image(url=address)
    sound = look(part, "input_audio", "data") or look(part, "audio", "data")
    data = _bytes(sound) if isinstance(sound, str) else b""
    return File(data=data, name="audio") if data else None


def _bytes(data: str) -> bytes:
    try:
        return b64decode(data)
    except ValueError:
        return b""

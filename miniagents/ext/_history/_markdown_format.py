"""The Markdown form of a history: a record becomes the bytes that one write adds to the file.

    <!-- miniagents {"v":1,"id":"0f3a9c4e5b7d","after":"77c1d20a94be","role":"assistant",...} -->
    ## assistant · gpt-x

    The text, byte for byte.

    <!-- /miniagents 0f3a9c4e5b7d -->

Why no text can forge a turn. Every message is framed by its own id, drawn at random *after* its text was
fixed and drawn again while it occurs in the text. So the first line behind an opening line that speaks of
this id was put there by a writer: the end mark, the cut mark of the next append, or the next opening line,
which names it as the one before. Whatever stands in between is text, even a perfect copy of the file the
model was shown: it can only speak of older ids. A record that was torn has no such line: all that follows is
its torn text, up to the end of the file. The next append (every writer holds the lock and looks first) puts a
cut mark with this id behind it before it writes anything else. Frames are looked for only outside of texts,
never by scanning ahead inside one. The length and digest do not find the end, they tell whether the text is
still the one that was written.

What becomes of damage (`_scan`):
* torn while written: the message is skipped, its text stays in the file, the next append seals it; when only
  the end mark is missing, the message is whole, and is completed;
* edited by hand: the text between the marks is loaded as it is now, with a note;
* line ends converted by an editor or git: undone when the digest proves it;
* end mark removed by hand: the next opening line ends the text; when that is gone too, an unchanged text is
  loaded, a changed one is taken for torn;
* a whole message removed, moved or copied: nothing to say;
* text typed between messages: read by `_plain_form`.
"""

import secrets
from collections.abc import Callable

from ._body import digest_of, frame_end, heading, lay_down
from ._marks import Opening, opening_line
from ._record import Record

_ID_BYTES = 6


def _random_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def write_record(record: Record, after: str = "", draw_id: Callable[[], str] = _random_id) -> bytes:
    """A record becomes the bytes that one write adds to the file.

    Args:
        record: the message.
        after: the id of the message before it (`Scan.last_id`).
        draw_id: gives random hex digits, 8 to 64 of them; asked again while what it gives occurs in the text.

    Raises:
        ValueError: the data holds an int of more than 4,300 digits.

    >>> from miniagents.ext._history import Record
    >>> data = write_record(Record(role="user", text="Hi!"), draw_id=lambda: "0f3a9c4e5b7d")
    >>> data.decode().splitlines()[1:4]
    ['## user', '', 'Hi!']
    """
    body = lay_down(record)
    message_id = draw_id()
    while message_id.encode() in body.raw or message_id == after:
        message_id = draw_id()
    opening = Opening(
        id=message_id,
        after=after,
        role=record.role,
        class_name=record.class_name,
        size=len(body.raw),
        digest=digest_of(body.raw),
        form=body.form,
        fence=body.fence,
        data=record.data,
    )
    return (
        opening_line(opening) + heading(record.role, record.data.get("model")) + body.raw + frame_end(opening)
    )

"""Questions of agents and tools to the user of `miniagents chat`."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from ._printed import PrintedAnswer

_Data: TypeAlias = Mapping[str, object]
_DECIDE: Final = "Write yes, or no and the reason, or other arguments as JSON."


@dataclass(frozen=True, slots=True)
class ConsoleQuestions:
    """Carries the questions of an answer to the user, one after the other; see `Carrier`.

    Attributes:
        answer: it is not shown further while the user is asked, at its screen.
    """

    answer: PrintedAnswer

    async def carry(
        self, kind: str, shown: _Data, expires: float | None, check: Callable[[_Data], object], /
    ) -> _Data:
        """Return what the user answers; if the user leaves instead, the answer of the agent is stopped."""
        screen = self.answer.screen
        if kind == "sleep":
            await asyncio.sleep(expires or 0.0)
            return {"expired": True}
        try:
            async with asyncio.timeout(expires), self.answer.turn:
                self.answer.end_line()
                screen.line(_text(kind, shown))
                while True:
                    try:
                        data = _data(kind, shown, await screen.ask("YOU"))
                        check(data)
                    except ValueError as error:
                        screen.line(f"This does not fit: {error}")
                    else:
                        return data
        except TimeoutError:
            screen.line("(too late)")
            return {"expired": True}
        except EOFError:
            self.answer.stop()
            stopped: asyncio.Future[_Data] = asyncio.get_running_loop().create_future()
            return await stopped  # as this is, too


def _text(kind: str, shown: _Data) -> str:
    """The question, and how to answer it."""
    if kind == "approval":
        call = f"{shown['tool']} {json.dumps(shown['arguments'], ensure_ascii=False)}"
        return f"May it call {call}? {_DECIDE}"
    schema = cast("_Data", shown["schema"])
    how = "" if _is_text(schema) else f" (JSON of the schema {json.dumps(schema, ensure_ascii=False)})"
    asked = shown.get("text") or f"What is the event {shown['event']}?"
    return f"{asked}{how}"


def _data(kind: str, shown: _Data, text: str) -> _Data:
    """The data of what the user wrote.

    Raises:
        ValueError: it is no decision about the call of a tool.
    """
    if kind == "approval":
        return _decision(text.strip())
    if _is_text(cast("_Data", shown["schema"])):
        return {"value": text}
    try:
        return {"value": cast("object", json.loads(text))}
    except ValueError:
        return {"value": text}


def _is_text(schema: _Data) -> bool:
    return schema.get("type") == "string"


def _decision(text: str) -> _Data:
    word, _, reason = text.replace(",", " ", 1).partition(" ")
    match word.lower():
        case "y" | "yes" if not reason:
            return {"allow": True}
        case "n" | "no":
            return {"allow": False, "reason": reason.strip()}
        case _ if text.startswith("{"):
            return {"allow": True, "arguments": cast("object", json.loads(text))}
        case _:
            raise ValueError(_DECIDE)

"""Questions to people over MCP (``elicitation/create``).

Those of a server become questions of a run; those of an agent that is served go to the person at the client.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    InputRequest,
    InputResponse,
)

from miniagents.errors import QuestionError
from miniagents.models import Carrier
from miniagents.tools import Tool

from ._results import sendable

_Data: TypeAlias = Mapping[str, object]
_FLAT: Final = frozenset({"string", "number", "integer", "boolean"})  # the types that a client has fields for
_ABLE: Final = ClientCapabilities(elicitation=ElicitationCapability())
_AS_RESULT: Final = "2026-07-28"
_DECISION: Final[_Data] = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "allow": {"type": "boolean", "title": "Allow"},
            "reason": {"type": "string", "title": "Reason, if it is not allowed"},
        },
        "required": ["allow"],
    }
)


async def answer_of(carrier: Carrier | None, server: str, asked: ElicitRequestParams) -> ElicitResult:
    """Ask a person what a server asks, and return the answer for it.

    The run is not parked meanwhile, because the call of the server goes on.

    Args:
        carrier: of the call; None: no person can be asked.
        server: its name.
        asked: a form, or an address, which is declined: a server may not send a person somewhere.
    """
    if not isinstance(asked, ElicitRequestFormParams):
        return ElicitResult(action="decline")
    if carrier is None:
        return ElicitResult(action="cancel")
    form = Tool.from_schema("answer", "", asked.requested_schema, dict)

    def check(data: _Data) -> None:
        form.check(json.dumps(data.get("value")))

    shown: _Data = {"text": asked.message, "schema": asked.requested_schema, "server": server}
    data = await carrier.carry("question", shown, None, check)
    content = cast("dict[str, str | int | float | bool | list[str] | None]", data.get("value"))
    answer = ElicitResult(action="accept", content=content)
    return ElicitResult(action="cancel") if data.get("expired") else answer


class Elicitation:
    """Carries the questions of an agent to the client that called it; see `Carrier`.

    Since the protocol of 2026-07-28 a question is a result of the call, and the client calls again with the
    answer; before, it is a request of the server during the call.

    Args:
        request: the call of the client.

    Attributes:
        request: the last request of the call.
        asked: the questions that the client has not got yet.
        more: set when there is one.
    """

    def __init__(self, request: ServerRequestContext) -> None:
        self.request = request
        self.asked: dict[str, ElicitRequest] = {}
        self.more = asyncio.Event()
        self._open: dict[str, asyncio.Future[ElicitResult]] = {}
        self._count = 0

    def take(self) -> dict[str, InputRequest]:
        """Return the questions that the client has not got yet."""
        self.more.clear()
        taken, self.asked = self.asked, {}
        return {**taken}

    def answer(self, request: ServerRequestContext, answers: Mapping[str, InputResponse]) -> None:
        """Take the answers of the client, which calls again.

        Args:
            request: its request.
            answers: by the names of the questions.
        """
        self.request = request
        for name, answer in answers.items():
            if isinstance(answer, ElicitResult) and name in self._open:
                asked = self._open.pop(name)
                if not asked.done():  # it came in time
                    asked.set_result(answer)

    async def carry(
        self, kind: str, shown: _Data, expires: float | None, check: Callable[[_Data], object], /
    ) -> _Data:
        """Return the answer of the person at the client.

        Raises:
            QuestionError: the client cannot ask, the person declines, or the answer does not fit.
        """
        if kind == "sleep":
            await asyncio.sleep(expires or 0.0)
            return {"expired": True}
        try:
            async with asyncio.timeout(expires):
                data = await self._asked(kind, shown)
        except TimeoutError:
            return {"expired": True}
        except MCPError as error:
            raise QuestionError(f"the MCP client did not answer: {error}") from None
        try:
            check(data)
        except ValueError as error:
            raise QuestionError(f"the answer does not fit: {error}.", "invalid") from None
        return data

    async def _asked(self, kind: str, shown: _Data) -> _Data:
        if kind == "approval":
            arguments = json.dumps(shown["arguments"], ensure_ascii=False)
            content = await self._form(f"May it call {shown['tool']} {arguments}?", dict(_DECISION))
            return {"allow": False} if content is None else content
        form = schema = cast("_Data", shown["schema"])
        is_plain, is_flat = schema.get("type") in _FLAT, _is_flat(schema)
        if not is_flat:  # a field for the value; what has no plain type is written as JSON
            about = f"JSON of the schema {json.dumps(schema)}"
            field = schema if is_plain else {"type": "string", "title": "JSON", "description": about}
            form = {"type": "object", "properties": {"value": field}, "required": ["value"]}
        text = str(shown.get("text") or f"What is the event {shown['event']}?")
        content = await self._form(text, form)
        if content is None:
            raise QuestionError(f"the person declines to answer {text!r}.")
        value = content if is_flat else content.get("value")
        if isinstance(value, str) and not is_plain:
            with suppress(ValueError):
                value = cast("object", json.loads(value))
        return {"value": value}

    async def _form(self, text: str, schema: _Data) -> _Data | None:
        text = sendable(text)
        if not self.request.session.check_client_capability(_ABLE):
            raise QuestionError("the MCP client cannot ask a person.")
        if self.request.protocol_version < _AS_RESULT:
            session, call = self.request.session, self.request.request_id
            result = await session.elicit_form(text, dict(schema), related_request_id=call)
        else:
            self._count += 1
            name = f"question-{self._count}"
            params = ElicitRequestFormParams(message=text, requested_schema=dict(schema))
            self.asked[name] = ElicitRequest(params=params)
            answer = self._open[name] = asyncio.get_running_loop().create_future()
            self.more.set()
            result = await answer
        return (result.content or {}) if result.action == "accept" else None


def _is_flat(schema: _Data) -> bool:
    """Whether a client has a form for it: an object, all of whose fields have a plain type."""
    fields = cast("Mapping[str, _Data]", schema.get("properties") or {})
    return schema.get("type") == "object" and all(each.get("type") in _FLAT for each in fields.values())

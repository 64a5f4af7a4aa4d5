"""Answers of agents over HTTP: streamed, stopped when the client leaves, or resumed when it comes back.

Needs ``pip install 'miniagents[web]'``, Starlette; FastAPI apps use the same functions.
"""

from ._bodies import json_body
from ._frames import (
    Frame,
    MessageBegan,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    RunParked,
)
from ._open_responses import end_on_signals, end_responses
from ._page_data import DataPart, PageData
from ._request_errors import JSON, RequestError, refusing
from ._response import stream_response
from ._routes import chat_routes
from ._runs import Runs
from ._source import frames_of

__all__ = [
    "JSON",
    "DataPart",
    "Frame",
    "MessageBegan",
    "MessageEnded",
    "MessagePart",
    "PageData",
    "QuestionAnswered",
    "QuestionAsked",
    "RequestError",
    "RunEnded",
    "RunParked",
    "Runs",
    "chat_routes",
    "end_on_signals",
    "end_responses",
    "frames_of",
    "json_body",
    "refusing",
    "stream_response",
]

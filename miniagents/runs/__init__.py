"""What is limited, counted and written down of runs: limits, budgets, usage, recorded calls, the log."""

from ._cache import cache
from ._call_keys import CallKey, RecordedFunction
from ._call_records import CallRecords
from ._durable import DurableRun, LoggedCalls, durable
from ._limiter import Limiter
from ._limits import budget, limit, rate_limit
from ._memory import MemoryJournal
from ._message_records import Json, Record, Registry, decode_data, encode_data
from ._model_limits import ModelLimits, model_limits
from ._prices import dollars
from ._questions import Question, answer_question, open_questions, send_event
from ._recorded import recorded
from ._recordings import (
    CallPlayer,
    MessageForm,
    RecordedEvent,
    error_data,
    part_data,
    part_of_data,
    plain_data,
)
from ._requests import CASSETTE_VERSION, call_lines, cassette_of_run, data_of, request_data
from ._run_log import RunLog, events_of_run
from ._run_request import RunRequest
from ._run_usage import RunUsage
from ._stores import (
    CallStore,
    Event,
    JournalEntry,
    JournalError,
    Lease,
    Restart,
    RunPage,
    RunRecord,
    RunState,
    RunStore,
    keep_asked,
)
from ._without_texts import without_texts

__all__ = [
    "CASSETTE_VERSION",
    "CallKey",
    "CallPlayer",
    "CallRecords",
    "CallStore",
    "DurableRun",
    "Event",
    "JournalEntry",
    "JournalError",
    "Json",
    "Lease",
    "Limiter",
    "LoggedCalls",
    "MemoryJournal",
    "MessageForm",
    "ModelLimits",
    "Question",
    "Record",
    "RecordedEvent",
    "RecordedFunction",
    "Registry",
    "Restart",
    "RunLog",
    "RunPage",
    "RunRecord",
    "RunRequest",
    "RunState",
    "RunStore",
    "RunUsage",
    "answer_question",
    "budget",
    "cache",
    "call_lines",
    "cassette_of_run",
    "data_of",
    "decode_data",
    "dollars",
    "durable",
    "encode_data",
    "error_data",
    "events_of_run",
    "keep_asked",
    "limit",
    "model_limits",
    "open_questions",
    "part_data",
    "part_of_data",
    "plain_data",
    "rate_limit",
    "recorded",
    "request_data",
    "send_event",
    "without_texts",
]

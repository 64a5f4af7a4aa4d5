"""What is limited, counted and written down of runs: limits, budgets, usage, recorded calls, the log."""

from ._cache import cache
from ._call_keys import NOT_ASKED, CallKey, RecordedFunction
from ._call_records import CallRecords
from ._durable import DurableRun, RunJournal, durable
from ._limiter import Limiter
from ._limits import Budget, ConcurrencyLimit, RateLimiter, budget, limit, rate_limit
from ._message_records import Json, Record, Registry, decode_data, encode_data
from ._model_limits import ModelLimits, model_limits
from ._prices import dollars
from ._recorded import CallJournal, JournalEntry, JournalError, RecordedCalls, recorded
from ._recordings import CallPlayer, RecordedEvent, error_data, part_data
from ._run_store import RunRequest, RunStore, UnfinishedRun
from ._run_usage import Price, RunUsage, UsageReport
from ._unpriced import unpriced_models

__all__ = [
    "NOT_ASKED",
    "Budget",
    "CallJournal",
    "CallKey",
    "CallPlayer",
    "CallRecords",
    "ConcurrencyLimit",
    "DurableRun",
    "JournalEntry",
    "JournalError",
    "Json",
    "Limiter",
    "ModelLimits",
    "Price",
    "RateLimiter",
    "Record",
    "RecordedCalls",
    "RecordedEvent",
    "RecordedFunction",
    "Registry",
    "RunJournal",
    "RunRequest",
    "RunStore",
    "RunUsage",
    "UnfinishedRun",
    "UsageReport",
    "budget",
    "cache",
    "decode_data",
    "dollars",
    "durable",
    "encode_data",
    "error_data",
    "limit",
    "model_limits",
    "part_data",
    "rate_limit",
    "recorded",
    "unpriced_models",
]

"""What tests share: `run_async` for a coroutine on a fresh loop, and what `tests/conftest.py` checks with."""

from tests.support.loops import TIME_LIMIT, run_async

__all__ = ["TIME_LIMIT", "run_async"]

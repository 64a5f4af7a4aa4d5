"""Safeguards of models: of connections, clocks, and what comes over the wire."""

from typing import Final

from tests.safeguards.removal import Removal

__all__ = ["MODELS"]

MODELS: Final = (
    Removal(
        "the connection of a model is released on every way out",
        "ext/llm/_source.py",
        "        with suppress(Exception):\n            await self._body.aclose()\n"
        "        with suppress(Exception):\n            await self._http.aclose()",
        "        pass",
        "ext/llm/test_source.py",
    ),
    Removal(
        "an answer without its terminal marker is not complete",
        "ext/llm/_answer.py",
        "        if not (fold.finished or (fold.usage_known and not self.needs_finish)):",
        "        if False:",
        "ext/llm/test_sweeps.py::test_cut_at_every_byte",
    ),
    Removal(
        "a line larger than any event is not read to its end",
        "ext/llm/_sse.py",
        "            if len(self._partial) > self._max_event:",
        "            if False:",
        "ext/llm/test_sse.py::test_caps",
    ),
    Removal(
        "a model that takes longer than it may is not waited for",
        "ext/llm/_timeouts.py",
        "        self._fired = True\n        self._task.cancel()",
        "        self._fired = True",
        "ext/llm/test_timeouts.py::test_total_timeout_of_a_whole_answer",
    ),
    Removal(
        "an event larger than any event is not read to its end",
        "ext/llm/_sse.py",
        "        if self._size > self._max_event:",
        "        if False:",
        "ext/llm/test_sse.py::test_caps",
    ),
    Removal(
        "a stream without an end is not read for ever",
        "ext/llm/_sse.py",
        "        if self._left < 0:",
        "        if False:",
        "ext/llm/test_sse.py::test_caps",
    ),
    Removal(
        "a packed body is not unpacked at once",
        "ext/llm/_body.py",
        "self._inflate.decompress(data, _STEP)",
        "self._inflate.decompress(data)",
        "ext/llm/test_body.py",
    ),
    Removal(
        "a model that gives no progress is not waited for",
        "ext/llm/_timeouts.py",
        "        self._next_at = self._now() + self._stall\n",
        "        self._next_at = math.inf\n",
        "ext/llm/test_sweeps.py::test_without_the_timer",
    ),
    Removal(
        "the clock of a model stands still while its reader holds it back",
        "ext/llm/_answer.py",
        "                    yield part\n                clock.paused(since)",
        "                    yield part",
        "ext/llm/test_timeouts.py::test_slow_reader",
    ),
    Removal(
        "the clock of a model stands still while its reader looks at a retry",
        "ext/llm/_answer.py",
        "                yield step\n                clock.paused(since)",
        "                yield step",
        "ext/llm/test_timeouts.py::test_slow_reader_of_retries",
    ),
    Removal(
        "a limit that moved on is looked at again",
        "ext/llm/_timeouts.py",
        "            self._arm()\n            return",
        "            return",
        "ext/llm/test_timeouts.py::test_stuck_after_a_while",
    ),
    Removal(
        "who is cancelled when a limit is up is cancelled",
        "ext/llm/_timeouts.py",
        "            if self._fired and task.uncancel() <= before:",
        "            if self._fired:",
        "ext/llm/test_timeouts.py::test_cancelled_when_the_time_is_up",
    ),
    Removal(
        "the timer of a call ends with it",
        "ext/llm/_answer.py",
        "            clock.stop()\n",
        "",
        "ext/llm/test_timeouts.py::test_the_timer_of_a_call_ends_with_it",
    ),
    Removal(
        "comments and pings are no progress",
        "ext/llm/_answer.py",
        "        elif progressed:",
        "        else:",
        "ext/llm/test_sweeps.py::test_without_the_timer",
    ),
    Removal(
        "a call of a tool is whole",
        "ext/llm/_fold.py",
        "                call.check()",
        "                pass",
        "ext/llm/test_fold.py",
    ),
    Removal(
        "no error shows a key",
        "ext/llm/_faults.py",
        '                text = text.replace(value, "[redacted]")',
        "                pass",
        "ext/llm/test_faults.py::test_status",
    ),
    Removal(
        "a body that goes on after the answer is not waited for",
        "ext/llm/_timeouts.py",
        "        self.stop()  # the timer may ring too late now\n        self._next_at",
        "        self._next_at",
        "ext/llm/test_timeouts.py::test_a_body_without_an_end",
    ),
    Removal(
        "the connection is released by an error before the first token",
        "ext/llm/_answer.py",
        "        except BaseException:\n            await source.release()\n            raise",
        "        except ZeroDivisionError:\n            raise",
        "ext/llm/test_source.py::test_released_by_an_error_before_the_first_token",
    ),
)

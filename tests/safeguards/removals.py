"""The safeguards: each with the text that it is, the text without it, and the test that must be red then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["REMOVALS", "Removal"]


@dataclass(frozen=True)
class Removal:
    """A safeguard that somebody takes away.

    Attributes:
        safeguard: what it does.
        file: where it stands, in the package.
        old: its text, which stands there exactly once.
        new: what is there without it.
        test: the node of pytest that notices, below `tests`.
    """

    safeguard: str
    file: str
    old: str
    new: str
    test: str

    def applied(self, text: str) -> str:
        """The file without the safeguard.

        Raises:
            ValueError: its text is not there, or more than once.
        """
        found = text.count(self.old)
        if found != 1:
            raise ValueError(
                f"The safeguard {self.safeguard!r} is a text that must stand once in miniagents/{self.file} "
                f"and stands there {found} times; say in tests/safeguards/removals.py what it is now:\n"
                f"{self.old}"
            )
        return text.replace(self.old, self.new)


_STREAMS: Final = (
    Removal(
        "a source of messages is closed on every way out",
        "streams/_pump.py",
        "            if len(items) >= log.limit and not await _look_up(log):\n"
        "                break\n"
        "    finally:\n"
        "        await close(iterator)",
        "            if len(items) >= log.limit and not await _look_up(log):\n"
        "                break\n"
        "    finally:\n"
        "        pass",
        "streams/test_pump.py",
    ),
    Removal(
        "a source of tokens is closed on every way out",
        "streams/_pump.py",
        "not await _look_up(seen):\n                break\n    finally:\n        await close(iterator)",
        "not await _look_up(seen):\n                break\n    finally:\n        pass",
        "promising/test_streamed.py",
    ),
    Removal(
        "a source that is too far ahead is paused",
        "streams/_pump.py",
        "    while not log.closed and len(log.items) + log.backlog >= log.granted",
        "    while False and len(log.items) + log.backlog >= log.granted",
        "streams/test_pump.py",
    ),
    Removal(
        "a paused source goes on when a reader has caught up",
        "streams/_log.py",
        "        if self.room is not None:\n            room, self.room = self.room, None",
        "        if self.room is not None and False:\n            room, self.room = self.room, None",
        "streams/test_pump.py",
    ),
    Removal(
        "a source that never suspends lets the event loop have its turn",
        "streams/_pump.py",
        "    await asyncio.sleep(0)\n    while",
        "    while",
        "streams/test_pump.py",
    ),
    Removal(
        "who reads a message together with its neighbours is paused with them",
        "promising/_flattener.py",
        "            self.log.backlog = len(self._pending)\n            self.log.limit = 0",
        "            self.log.limit = 0",
        "agents/test_prefetch.py",
    ),
    Removal(
        "nothing follows the terminal of a log",
        "streams/_log.py",
        "        if self.closed:\n            return\n        self.items.append(item)",
        "        self.items.append(item)",
        "streams/test_log.py",
    ),
    Removal(
        "the terminal is told at once, also to followers that lag",
        "streams/_log.py",
        "        if self.closed or self.scope.ended:\n",
        "        if False:\n",
        "streams/test_log.py",
    ),
    Removal(
        "followers that lag are told in the next turn of the loop",
        "streams/_log.py",
        "            self.scope.loop.call_soon(self._catch_up)",
        "            pass",
        "promising/test_join.py",
    ),
    Removal(
        "a reader that leaves takes its Future with it",
        "streams/_log.py",
        "                waiting.remove(future)",
        "                pass",
        "streams/test_log.py",
    ),
    Removal(
        "a source is paced again when the one who took everything has left",
        "streams/_log.py",
        "            self.granted = min(self.granted, len(self.items) + self.scope.prefetch)",
        "            pass",
        "agents/test_prefetch.py::test_a_reader_that_gave_up",
    ),
    Removal(
        "a reader that is dropped is closed at that moment, not by the loop",
        "streams/_cursor.py",
        "    sys.set_asyncgen_hooks(None, None)",
        "    pass",
        "streams/test_cursor.py",
    ),
    Removal(
        "each reader has the traceback of the error itself, without the frames of the others",
        "streams/_cursor.py",
        "    raise error.with_traceback(log.traceback)",
        "    raise error",
        "streams/test_cursor.py",
    ),
    Removal(
        "a push that is caused by a push comes after it, not within it",
        "streams/_scope.py",
        "        if self._pushing:\n            return\n",
        "",
        "streams/test_scope.py",
    ),
    Removal(
        "a subscriber is told one thing at a time",
        "streams/_face.py",
        "        if self._busy or self._log is None:",
        "        if self._log is None:",
        "streams/test_face.py::test_an_item_that_causes_an_item_while_subscribing",
    ),
    Removal(
        "a subscriber that raises is unsubscribed and harms nobody else",
        "streams/_face.py",
        '                "A subscriber raised; it was unsubscribed, the stream goes on for everybody else."\n'
        "            )\n"
        "            self.dispose()",
        '                "A subscriber raised; it was unsubscribed, the stream goes on for everybody else."\n'
        "            )",
        "contract/test_streams.py",
    ),
    Removal(
        "a subscriber is called in the context variables of whoever subscribed",
        "streams/_face.py",
        "            self._context.run(self._deliver)",
        "            self._deliver()",
        "streams/test_face.py",
    ),
    Removal(
        "a subscription that is over keeps nobody",
        "streams/_face.py",
        "        self._on_next = self._on_completed = _ignore\n",
        "",
        "contract/test_streams.py",
    ),
    Removal(
        "a pump that was unsubscribed from is stopped",
        "streams/_from_async.py",
        "return Disposable(driver.cancel)",
        "return Disposable()",
        "streams/test_from_async.py",
    ),
    Removal(
        "an Observable is unsubscribed from when its reader leaves",
        "streams/_to_async_iter.py",
        "            await log.starve()\n    finally:\n        subscription.dispose()\n    raise",
        "            await log.starve()\n    finally:\n        pass\n    raise",
        "streams/test_to_async_iter.py",
    ),
    Removal(
        "what all readers of a stream without replay have passed is let go",
        "streams/_passing.py",
        "        if passed == 0 or FEW < len(self.items) > 2 * passed:",
        "        if True:",
        "streams/test_passing.py",
    ),
    Removal(
        "what an unread queue may hold is bounded",
        "streams/_mailbox.py",
        "            if len(self._items) >= self._overflow.capacity and not self._closed:",
        "            if False:",
        "streams/test_mailbox.py",
    ),
    Removal(
        "a source that begins while its context drains is not paused",
        "streams/_pump.py",
        "granted = UNBOUNDED if log.scope.draining else log.granted",
        "granted = log.granted",
        "streams/test_pump.py::test_a_source_that_begins_while_the_context_drains",
    ),
    Removal(
        "a source is not asked any more when its stream was ended by others",
        "streams/_pump.py",
        "    if log.closed:\n        return False\n    granted",
        "    granted",
        "streams/test_pump.py::test_an_endless_source_after_the_end",
    ),
    Removal(
        "an error that comes when nobody can read any more is logged at once",
        "streams/_log.py",
        "            if not self.reachable:  # dropped",
        "            if False:  # dropped",
        "streams/test_log.py::test_an_error_that_comes_when_nobody_can_read_any_more",
    ),
    Removal(
        "a reader that is cancelled right now harms no writer",
        "streams/_log.py",
        "            for future in starved:\n"
        "                if not future.done():\n"
        "                    future",
        "            for future in starved:\n                if True:\n                    future",
        "streams/test_log.py::test_a_reader_that_is_cancelled_right_now",
    ),
    Removal(
        "who waits for the end and is cancelled right now harms no writer",
        "streams/_log.py",
        "                if not end.done():",
        "                if True:",
        "streams/test_log.py::test_a_reader_that_is_cancelled_right_now",
    ),
    Removal(
        "who leaves does not bound a source that somebody else awaits",
        "streams/_log.py",
        "if not self._ends and not self._eager and not self.closed:",
        "if not self._eager and not self.closed:",
        "streams/test_pump.py::test_the_whole_is_awaited_by_another_one",
    ),
    Removal(
        "who leaves does not bound a source that somebody else subscribes to",
        "streams/_log.py",
        "if not self._ends and not self._eager and not self.closed:",
        "if not self._ends and not self.closed:",
        "streams/test_pump.py::test_the_whole_is_awaited_by_another_one",
    ),
    Removal(
        "a source that was awaited is paused again when nobody awaits it any more",
        "streams/_log.py",
        "                waiting.remove(future)\n        self.pace()",
        "                waiting.remove(future)",
        "streams/test_pump.py::test_it_pauses_again_without_who_awaited_it",
    ),
    Removal(
        "a reader without replay that has left does not count",
        "streams/_cursor.py",
        "        log.quit(place)\n        log.readers -= 1",
        "        log.quit(place)",
        "streams/test_passing.py::test_a_reader_that_gave_up",
    ),
    Removal(
        "a reader without replay that has left holds nothing up",
        "streams/_cursor.py",
        "        log.quit(place)\n        log.readers -= 1",
        "        log.readers -= 1",
        "streams/test_passing.py",
    ),
    Removal(
        "a subscription that is over keeps no pieces",
        "streams/_face.py",
        "        self._items = []\n",
        "",
        "streams/test_face.py::test_who_has_left_keeps_no_pieces",
    ),
    Removal(
        "a subscriber that raises while it subscribes is unsubscribed",
        "streams/_face.py",
        "        except BaseException:\n            self.dispose()\n            raise\n",
        "        except BaseException:\n            raise\n",
        "streams/test_face.py",
    ),
    Removal(
        "the source of a subscriber that raises is closed, though it never ends",
        "streams/_from_async.py",
        "            self._status.finish()  # the pump looks up and leaves\n",
        "",
        "streams/test_from_async.py::test_an_endless_source_of_a_subscriber_that_raises",
    ),
    Removal(
        "a subscriber that raises at the end harms no task",
        "streams/_from_async.py",
        "        except Exception:\n"
        '            logger.exception("A subscriber raised when it was told the end.")',
        "        except ZeroDivisionError:\n"
        '            logger.exception("A subscriber raised when it was told the end.")',
        "streams/test_from_async.py::test_a_subscriber_that_raises_at_the_end",
    ),
    Removal(
        "what a subscriber begins is not of the pump that called it",
        "streams/_from_async.py",
        "            self._context.run(self._observer.on_next, item)",
        "            self._observer.on_next(item)",
        "streams/test_from_async.py::test_what_a_subscriber_begins_is_its_own",
    ),
    Removal(
        "a bounded reader unsubscribes when it leaves",
        "streams/_to_async_iter.py",
        "        subscription.dispose()\n        mailbox.close()",
        "        mailbox.close()",
        "streams/test_to_async_iter.py::test_break_disposes_with_a_bound_too",
    ),
    Removal(
        "a source that pushes while it is subscribed to is told that it is not wanted",
        "streams/_to_async_iter.py",
        "    wanted = observable.pipe(ops.take_while(mailbox.is_open))",
        "    wanted = observable",
        "streams/test_mailbox.py::test_one_too_many_fails",
    ),
    Removal(
        "a thread that was made to wait goes on when the reader leaves",
        "streams/_mailbox.py",
        "            self._items.clear()\n            self._changed.notify_all()",
        "            self._items.clear()",
        "streams/test_mailbox.py::test_a_thread_that_stands_still_is_let_go",
    ),
    Removal(
        "nothing is put into a queue that nobody reads any more",
        "streams/_mailbox.py",
        "            if self._closed:\n                return\n            if refused",
        "            if refused",
        "streams/test_mailbox.py::test_nothing_is_kept_for_who_has_left",
    ),
)

_RUNS: Final = (
    Removal(
        "a task has an owner that knows it",
        "streams/_scope.py",
        "        self._drivers.add(driver)",
        "        pass",
        "streams/test_scope.py",
    ),
    Removal(
        "a context that ends lets paused sources run to their end",
        "streams/_scope.py",
        "            driver.drain()",
        "            pass",
        "agents/test_prefetch.py::test_the_end_of_the_context",
    ),
    Removal(
        "a context that ends waits for its runs",
        "streams/_scope.py",
        "        await self._until_idle()",
        "        pass",
        "streams/test_scope.py",
    ),
    Removal(
        "a context that ends by an error cancels its runs",
        "promising/_owner.py",
        "            else:\n                await self.cancel_all()",
        "            else:\n                await self._finish()",
        "agents/test_miniagents.py",
    ),
    Removal(
        "a clean-up that never ends is waited for shutdown_timeout seconds",
        "streams/_scope.py",
        "timeout=max(0, deadline - self.loop.time())",
        "timeout=None",
        "streams/test_scope.py",
    ),
    Removal(
        "what a clean-up has started is cancelled too",
        "streams/_scope.py",
        "        while stopping := tuple(self._drivers):",
        "        for stopping in [tuple(self._drivers)]:",
        "streams/test_scope.py",
    ),
    Removal(
        "a call from another thread or loop is refused",
        "streams/_scope.py",
        "            raise WrongLoopError\n\n    def future",
        "            pass\n\n    def future",
        "agents/test_elsewhere.py",
    ),
    Removal(
        "an error that no reader was told is logged",
        "promising/_owner.py",
        "            self.unseen.report()",
        "            pass",
        "promising/test_owner.py",
    ),
    Removal(
        "a reader that was told an error keeps it from being logged",
        "streams/_log.py",
        "            self.scope.unseen.forget(self.error)",
        "            pass",
        "promising/test_promise.py::test_a_seen_error_is_not_logged",
    ),
    Removal(
        "a clean-up is not cancelled a second time",
        "streams/_driver.py",
        "        if self.task is None or self._stopping:",
        "        if self.task is None:",
        "laws/test_cancellation.py",
    ),
    Removal(
        "a task that was cancelled before its first step leaves its context",
        "streams/_driver.py",
        "        drive.send(None)  # up to `_BEGUN`: whatever ends the task from now on is told in `_drive`\n"
        "        self.task = loop.create_task(drive, name=self.name)\n"
        "\n"
        "    async def _drive(self) -> None:\n"
        "        try:\n"
        "            await _BEGUN\n",
        "        self.task = loop.create_task(drive, name=self.name)\n"
        "\n"
        "    async def _drive(self) -> None:\n"
        "        try:\n",
        "streams/test_scope.py",
    ),
    Removal(
        "who waits for itself is told the cycle",
        "streams/_driver.py",
        "        chain = chain_to(self, log.producer, junctions)",
        "        chain = None",
        "agents/test_deadlocks.py",
    ),
    Removal(
        "a sequence that is put into itself is told the cycle",
        "promising/_flattener.py",
        "        chain = chain_to(self, piece.log.producer)",
        "        chain = None",
        "agents/test_deadlocks.py",
    ),
    Removal(
        "what a run has started ends with it when the run is cancelled",
        "streams/_driver.py",
        "            self._end_children(keep=self._abandoned_but_reachable)",
        "            pass",
        "agents/test_run.py::test_a_cancelled_run_cancels_what_nobody_reads",
    ),
    Removal(
        "what a run has started ends with it when the run fails",
        "streams/_driver.py",
        "            self._end_children(keep=_given_away)",
        "            pass",
        "agents/test_run.py",
    ),
    Removal(
        "what somebody else reads goes on when the run that started it is cancelled",
        "streams/_driver.py",
        "            if child.log.readers == 0 and not keep(child):",
        "            if not keep(child):",
        "agents/test_run.py",
    ),
    Removal(
        "a run that nobody can read any more is stopped",
        "promising/_promise.py",
        "        elif log.was_read and log.producer is not None:\n            _abandon(log, log.producer)",
        "        elif log.was_read and log.producer is not None:\n            pass",
        "promising/test_promise.py",
    ),
    Removal(
        "an inquiry that was never read runs to its end",
        "promising/_promise.py",
        "        elif log.was_read and log.producer is not None:",
        "        elif log.producer is not None:",
        "agents/test_run.py",
    ),
    Removal(
        "leaving an inquiry used as a block cancels it",
        "promising/_promise.py",
        "        self.cancel()\n        await asyncio.sleep(0)",
        "        await asyncio.sleep(0)",
        "promising/test_promise.py::test_leaving_the_block_cancels",
    ),
    Removal(
        "the input of a call that was dropped is finished",
        "agents/_call.py",
        "        if scope.on_own_thread():\n            flattener.finish()",
        "        if scope.on_own_thread():\n            pass",
        "agents/test_call.py",
    ),
    Removal(
        "what a run was to wait for does not outlive it",
        "streams/_owed.py",
        "    for each in owed:\n        each.cancel()",
        "    for each in ():\n        each.cancel()",
        "agents/test_run.py",
    ),
    Removal(
        "collections may be nested 64 deep",
        "promising/_message_type.py",
        "            if len(stack) > MAX_DEPTH:",
        "            if False:",
        "promising/test_message_type.py::test_depth_of_collections",
    ),
    Removal(
        "so many inquiries of map_agent are under way and no more",
        "promising/_window.py",
        "        if self._failed or len(self._under_way) >= self._limits.concurrency:",
        "        if self._failed:",
        "operators/test_map_agent.py::test_as_many_at_once_as_allowed",
    ),
    Removal(
        "a subscription of agents stops what it has started",
        "promising/_lift.py",
        "            producer.abandon()",
        "            pass",
        "promising/test_lift.py::test_disposing_what_is_held",
    ),
    Removal(
        "a scope that is opened again bounds its sources again",
        "streams/_scope.py",
        "        self._thread = threading.get_ident()\n        self.draining = False",
        "        self._thread = threading.get_ident()",
        "streams/test_scope.py::test_a_scope_that_is_opened_again",
    ),
    Removal(
        "a call to a loop that is closed is dropped",
        "streams/_scope.py",
        "        if self._loop is not None and not self._loop.is_closed():\n"
        "            self._loop.call_soon_threadsafe(callback)",
        "        if self._loop is not None:\n            self._loop.call_soon_threadsafe(callback)",
        "streams/test_scope.py::test_calls_when_the_loop_is_closed",
    ),
    Removal(
        "a push that raises does not block the next one",
        "streams/_scope.py",
        "        finally:\n            self._pushing = False",
        "        finally:\n            self._pushing = not not self._pushes",
        "streams/test_scope.py",
    ),
    Removal(
        "a clean-up that does not end is told of and left",
        "streams/_scope.py",
        "            if self.loop.time() >= deadline:\n                break\n",
        "",
        "streams/test_scope.py",
    ),
    Removal(
        "the messages that a cancelled run writes end with it, for whoever reads them",
        "streams/_driver.py",
        "            if child.part:\n                child.cancel()",
        "            if False:\n                child.cancel()",
        "streams/test_driver.py::test_cancel_ends_the_messages_that_are_read",
    ),
    Removal(
        "a run keeps nothing of those that it started and that have ended",
        "streams/_driver.py",
        "            parent._children.discard(self)  # noqa: SLF001",
        "            pass  # noqa: SLF001",
        "streams/test_driver.py::test_what_has_ended_is_forgotten_by_who_started_it",
    ),
    Removal(
        "an interrupt that leaves a task closes its stream",
        "streams/_driver.py",
        "            self.aborted(self._cancelled())\n"
        "            if self.task is not None:\n"
        "                self.task.add_done_callback(_retrieve)\n",
        "",
        "streams/test_driver.py",
    ),
    Removal(
        "what was replied by a run that failed goes on for its reader",
        "streams/_driver.py",
        "    return child.log.kept",
        "    return False",
        "streams/test_driver.py::test_a_failing_run_cancels_what_it_started",
    ),
)

_MODELS: Final = (
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
)

_BOUNDS: Final = (
    Removal(
        "a run that awaits its tasks is followed",
        "streams/_side_wait.py",
        "                future.add_done_callback(self._look)",
        "                pass",
        "agents/test_deadlocks.py::test_in_every_way_of_waiting",
    ),
    Removal(
        "a task that its run does not await closes no circle",
        "streams/_side_wait.py",
        "        return task is not None and not task.done() and awaits(task, self._task)",
        "        return True",
        "agents/test_deadlocks.py::test_a_task_may_wait_for_its_run",
    ),
    Removal(
        "who waits for one of several is not stuck in any",
        "streams/_awaited.py",
        "        return {}  #",
        "        pass  #",
        "streams/test_awaited.py::test_not_awaited",
    ),
    Removal(
        "a program that awaits the replies to its own open call is told so",
        "agents/_call.py",
        "            watch_outsider(self._flattener, ref(self), self._replies.log)",
        "            pass",
        "agents/test_outsider.py",
    ),
    Removal(
        "a time limit lets a program go on that awaits the replies to its own open call",
        "agents/_outsider.py",
        "                    if held and not isinstance(context, Scope):",
        "                    if False:",
        "agents/test_outsider.py",
    ),
    Removal(
        "an unfinished call is fed by whoever has opened it",
        "agents/_agent.py",
        "            flattener.feeder = Caller(run, ref(call))",
        "            pass",
        "agents/test_deadlocks.py::test_an_unfinished_call",
    ),
    Removal(
        "a call that others hold is no deadlock",
        "agents/_caller.py",
        "sys.getrefcount(call) > _HELD_ONCE",
        "False",
        "agents/test_deadlocks.py::test_a_call_that_others_finish",
    ),
    Removal(
        "a reply from another thread is refused",
        "agents/_run.py",
        "        self.scope.check_place()\n"
        "        if self._flattener is not None:\n            self._flattener.feed",
        "        if self._flattener is not None:\n            self._flattener.feed",
        "agents/test_elsewhere.py::test_from_a_thread",
    ),
    Removal(
        "results of `map_agent` that were taken are forgotten",
        "promising/_window.py",
        "        replies = self.ready.popleft()",
        '        replies = self.ready.popleft()\n        self.__dict__.setdefault("all", []).append(replies)',
        "semantics/test_many_rows.py::test_many_rows",
    ),
    Removal(
        "a circle is found through a run that nobody reads",
        "streams/_driver.py",
        "awaited = self.log.readers > 0 or self.calls",
        "awaited = self.log.readers > 0",
        "streams/test_driver.py::test_a_circle_of_a_run_that_nobody_reads",
    ),
    Removal(
        "a run is followed through the steps that it makes before it awaits",
        "streams/_side_wait.py",
        "            self._log.scope.loop.call_soon(self._look)\n            return",
        "            return",
        "streams/test_side_wait.py::test_a_run_that_is_about_to_make_a_step",
    ),
    Removal(
        "a task that may not wait does not count as waiting",
        "streams/_driver.py",
        "        except DeadlockError:\n            future.cancel()\n            raise",
        "        except DeadlockError:\n            raise",
        "streams/test_side_wait.py::test_a_refused_wait_is_over",
    ),
    Removal(
        "a callback of a task is no wait of it",
        "streams/_awaited.py",
        '            if _look(woken, "_fut_waiter") is future:',
        "            if True:",
        "streams/test_awaited.py::test_a_callback_of_a_task_is_no_wait",
    ),
    Removal(
        "a chain of waits is followed once round",
        "streams/_waits.py",
        "        while producer is not None and id(producer) not in seen:",
        "        while producer is not None:",
        "streams/test_waits.py",
    ),
)

REMOVALS: Sequence[Removal] = (*_STREAMS, *_RUNS, *_BOUNDS, *_MODELS)
"""All of them."""

"""Safeguards of streams: of sources, logs, readers and subscribers."""

from typing import Final

from tests.safeguards.removal import Removal

__all__ = ["STREAMS"]

STREAMS: Final = (
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
        "limit - len(items) - 1)\n    finally:\n        await close(iterator)",
        "limit - len(items) - 1)\n    finally:\n        pass",
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
        "a pump that may not run on so far any more is told so",
        "streams/_log.py",
        "                self.heard = True  # the pump",
        "                # the pump",
        "streams/test_pump.py::test_it_pauses_again",
    ),
    Removal(
        "a reader that waited a turn in vain lets itself be woken",
        "streams/_cursor.py",
        "                hot = 0\n",
        "                continue\n",
        "streams/test_hot_reading.py",
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
        "        if self.pushing:\n            return\n",
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
        "            driver.cancel()\n",
        "",
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
        "who leaves a source is not told that it was cancelled",
        "streams/_from_async.py",
        "            sink.detach()  # first",
        "            pass  # first",
        "streams/test_from_async.py::test_dispose_within_an_item",
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

"""Safeguards of streams: of sources, buffers, readers and subscribers."""

from typing import Final

from tests.safeguards.removal import Removal

__all__ = ["STREAMS"]

STREAMS: Final = (
    Removal(
        "a source of messages is closed on every way out",
        "core/_pump.py",
        "            if len(items) >= buffer.limit and not await _look_up(buffer):\n"
        "                break\n"
        "    finally:\n"
        "        await close(iterator)",
        "            if len(items) >= buffer.limit and not await _look_up(buffer):\n"
        "                break\n"
        "    finally:\n"
        "        pass",
        "core/test_pump.py",
    ),
    Removal(
        "a source of tokens is closed on every way out",
        "core/_pump.py",
        "limit - len(items) - 1)\n    finally:\n        await close(iterator)",
        "limit - len(items) - 1)\n    finally:\n        pass",
        "core/test_streamed.py",
    ),
    Removal(
        "a source that is too far ahead is paused",
        "core/_pump.py",
        "    while not buffer.closed and len(buffer.items) + buffer.backlog >= buffer.requested",
        "    while False and len(buffer.items) + buffer.backlog >= buffer.requested",
        "core/test_pump.py",
    ),
    Removal(
        "a pump that may not run on so far any more is told so",
        "core/_buffer.py",
        "                self.heard = True  # the pump",
        "                # the pump",
        "core/test_pump.py::test_it_pauses_again",
    ),
    Removal(
        "a reader that waited a turn in vain lets itself be woken",
        "core/_readers.py",
        "                hot = 0\n",
        "                continue\n",
        "streams/test_hot_reading.py",
    ),
    Removal(
        "a paused source goes on when a reader has caught up",
        "core/_buffer.py",
        "        if self.room is not None:\n            room, self.room = self.room, None",
        "        if self.room is not None and False:\n            room, self.room = self.room, None",
        "core/test_pump.py",
    ),
    Removal(
        "a source that never suspends lets the event loop have its turn",
        "core/_pump.py",
        "    await asyncio.sleep(0)\n    while",
        "    while",
        "core/test_pump.py",
    ),
    Removal(
        "who reads a message together with its neighbours is paused with them",
        "core/_flattener.py",
        "            self.buffer.backlog = len(self._pending)\n            self.buffer.limit = 0",
        "            self.buffer.limit = 0",
        "agents/test_prefetch.py",
    ),
    Removal(
        "nothing follows the terminal of a log",
        "core/_buffer.py",
        "        if self.closed:\n            return\n        self.items.append(item)",
        "        self.items.append(item)",
        "core/test_buffer.py",
    ),
    Removal(
        "the terminal is told at once, also to followers that lag",
        "core/_buffer.py",
        "        if self.closed or self.context.ended:\n",
        "        if False:\n",
        "core/test_buffer.py",
    ),
    Removal(
        "followers that lag are told in the next turn of the loop",
        "core/_buffer.py",
        "            self.context.loop.call_soon(self._catch_up)",
        "            pass",
        "core/test_join.py",
    ),
    Removal(
        "a reader that leaves takes its Future with it",
        "core/_buffer.py",
        "                waiting.remove(future)",
        "                pass",
        "core/test_buffer.py",
    ),
    Removal(
        "a source is paced again when the one who took everything has left",
        "core/_buffer.py",
        "            self.requested = min(self.requested, len(self.items) + self.context.prefetch)",
        "            pass",
        "agents/test_prefetch.py::test_a_reader_that_gave_up",
    ),
    Removal(
        "a reader that is dropped is closed at that moment, not by the loop",
        "core/_readers.py",
        "    sys.set_asyncgen_hooks(None, None)",
        "    pass",
        "core/test_readers.py",
    ),
    Removal(
        "each reader has the traceback of the error itself, without the frames of the others",
        "core/_readers.py",
        "    raise error.with_traceback(buffer.traceback)",
        "    raise error",
        "core/test_readers.py",
    ),
    Removal(
        "a push that is caused by a push comes after it, not within it",
        "core/_scope.py",
        "        if self.pushing:\n            return\n",
        "",
        "core/test_scope.py",
    ),
    Removal(
        "a subscriber is told one thing at a time",
        "core/_stream.py",
        "        if self._busy or self._log is None:",
        "        if self._log is None:",
        "core/test_stream.py::test_an_item_that_causes_an_item_while_subscribing",
    ),
    Removal(
        "a subscriber that raises is unsubscribed and harms nobody else",
        "core/_stream.py",
        '                "A subscriber raised; it was unsubscribed, the stream goes on for everybody else."\n'
        "            )\n"
        "            self.dispose()",
        '                "A subscriber raised; it was unsubscribed, the stream goes on for everybody else."\n'
        "            )",
        "contract/test_streams.py",
    ),
    Removal(
        "a subscriber is called in the context variables of whoever subscribed",
        "core/_stream.py",
        "            self._context.run(self._deliver)",
        "            self._deliver()",
        "core/test_stream.py",
    ),
    Removal(
        "a subscription that is over keeps nobody",
        "core/_stream.py",
        "        self._on_next = self._on_completed = _ignore\n",
        "",
        "contract/test_streams.py",
    ),
    Removal(
        "a pump that was unsubscribed from is stopped",
        "core/_from_async.py",
        "            driver.cancel()\n",
        "",
        "core/test_from_async.py",
    ),
    Removal(
        "an Observable is unsubscribed from when its reader leaves",
        "core/_to_async_iter.py",
        "            await buffer.wait_for_more()\n    finally:\n        subscription.dispose()\n    raise",
        "            await buffer.wait_for_more()\n    finally:\n        pass\n    raise",
        "core/test_to_async_iter.py",
    ),
    Removal(
        "what all readers of a stream without replay have passed is let go",
        "core/_no_replay.py",
        "        if passed == 0 or FEW < len(self.items) > 2 * passed:",
        "        if True:",
        "core/test_no_replay.py",
    ),
    Removal(
        "what an unread queue may hold is bounded",
        "core/_bounded_queue.py",
        "            if len(self._items) >= self._overflow.capacity and not self._closed:",
        "            if False:",
        "core/test_bounded_queue.py",
    ),
    Removal(
        "a source that begins while its context drains is not paused",
        "core/_pump.py",
        "requested = UNBOUNDED if buffer.context.draining else buffer.requested",
        "requested = buffer.requested",
        "core/test_pump.py::test_a_source_that_begins_while_the_context_drains",
    ),
    Removal(
        "a source is not asked any more when its stream was ended by others",
        "core/_pump.py",
        "    if buffer.closed:\n        return False\n    requested",
        "    requested",
        "core/test_pump.py::test_an_endless_source_after_the_end",
    ),
    Removal(
        "an error that comes when nobody can read any more is logged at once",
        "core/_buffer.py",
        "            if not self.reachable:  # dropped",
        "            if False:  # dropped",
        "core/test_buffer.py::test_an_error_that_comes_when_nobody_can_read_any_more",
    ),
    Removal(
        "a reader that is cancelled right now harms no writer",
        "core/_buffer.py",
        "            for future in starved:\n"
        "                if not future.done():\n"
        "                    future",
        "            for future in starved:\n                if True:\n                    future",
        "core/test_buffer.py::test_a_reader_that_is_cancelled_right_now",
    ),
    Removal(
        "who waits for the end and is cancelled right now harms no writer",
        "core/_buffer.py",
        "                if not end.done():",
        "                if True:",
        "core/test_buffer.py::test_a_reader_that_is_cancelled_right_now",
    ),
    Removal(
        "who leaves does not bound a source that somebody else awaits",
        "core/_buffer.py",
        "if not self._ends and not self._eager and not self.closed:",
        "if not self._eager and not self.closed:",
        "core/test_pump.py::test_the_whole_is_awaited_by_another_one",
    ),
    Removal(
        "who leaves does not bound a source that somebody else subscribes to",
        "core/_buffer.py",
        "if not self._ends and not self._eager and not self.closed:",
        "if not self._ends and not self.closed:",
        "core/test_pump.py::test_the_whole_is_awaited_by_another_one",
    ),
    Removal(
        "a source that was awaited is paused again when nobody awaits it any more",
        "core/_buffer.py",
        "                waiting.remove(future)\n        self.pace()",
        "                waiting.remove(future)",
        "core/test_pump.py::test_it_pauses_again_without_who_awaited_it",
    ),
    Removal(
        "a reader without replay that has left does not count",
        "core/_readers.py",
        "        buffer.quit(place)\n        buffer.readers -= 1",
        "        buffer.quit(place)",
        "core/test_no_replay.py::test_a_reader_that_gave_up",
    ),
    Removal(
        "a reader without replay that has left holds nothing up",
        "core/_readers.py",
        "        buffer.quit(place)\n        buffer.readers -= 1",
        "        buffer.readers -= 1",
        "core/test_no_replay.py",
    ),
    Removal(
        "a subscription that is over keeps no pieces",
        "core/_stream.py",
        "        self._items = []\n",
        "",
        "core/test_stream.py::test_who_has_left_keeps_no_pieces",
    ),
    Removal(
        "a subscriber that raises while it subscribes is unsubscribed",
        "core/_stream.py",
        "        except BaseException:\n            self.dispose()\n            raise\n",
        "        except BaseException:\n            raise\n",
        "core/test_stream.py",
    ),
    Removal(
        "the source of a subscriber that raises is closed, though it never ends",
        "core/_from_async.py",
        "            self._status.finish()  # the pump looks up and leaves\n",
        "",
        "core/test_from_async.py::test_an_endless_source_of_a_subscriber_that_raises",
    ),
    Removal(
        "a subscriber that raises at the end harms no task",
        "core/_from_async.py",
        "        except Exception:\n"
        '            logger.exception("A subscriber raised when it was told the end.")',
        "        except ZeroDivisionError:\n"
        '            logger.exception("A subscriber raised when it was told the end.")',
        "core/test_from_async.py::test_a_subscriber_that_raises_at_the_end",
    ),
    Removal(
        "who leaves a source is not told that it was cancelled",
        "core/_from_async.py",
        "            sink.detach()  # first",
        "            pass  # first",
        "core/test_from_async.py::test_dispose_within_an_item",
    ),
    Removal(
        "what a subscriber begins is not of the pump that called it",
        "core/_from_async.py",
        "            self._context.run(self._observer.on_next, item)",
        "            self._observer.on_next(item)",
        "core/test_from_async.py::test_what_a_subscriber_begins_is_its_own",
    ),
    Removal(
        "a bounded reader unsubscribes when it leaves",
        "core/_to_async_iter.py",
        "        subscription.dispose()\n        mailbox.close()",
        "        mailbox.close()",
        "core/test_to_async_iter.py::test_break_disposes_with_a_bound_too",
    ),
    Removal(
        "a source that pushes while it is subscribed to is told that it is not wanted",
        "core/_to_async_iter.py",
        "    wanted = observable.pipe(ops.take_while(mailbox.is_open))",
        "    wanted = observable",
        "core/test_bounded_queue.py::test_one_too_many_fails",
    ),
    Removal(
        "a thread that was made to wait goes on when the reader leaves",
        "core/_bounded_queue.py",
        "            self._items.clear()\n            self._changed.notify_all()",
        "            self._items.clear()",
        "core/test_bounded_queue.py::test_a_thread_that_stands_still_is_let_go",
    ),
    Removal(
        "nothing is put into a queue that nobody reads any more",
        "core/_bounded_queue.py",
        "            if self._closed:\n                return\n            if refused",
        "            if refused",
        "core/test_bounded_queue.py::test_nothing_is_kept_for_who_has_left",
    ),
)

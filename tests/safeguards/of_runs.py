"""Safeguards of runs: how they begin, end, and what ends with them."""

from typing import Final

from tests.safeguards.removal import Removal

__all__ = ["RUNS"]

RUNS: Final = (
    Removal(
        "a task has an owner that knows it",
        "core/_scope.py",
        "        self._drivers.add(driver)",
        "        pass",
        "core/test_scope.py",
    ),
    Removal(
        "a context that ends lets paused sources run to their end",
        "core/_scope.py",
        "            driver.drain()",
        "            pass",
        "agents/test_prefetch.py::test_the_end_of_the_context",
    ),
    Removal(
        "a context that ends waits for its runs",
        "core/_scope.py",
        "        await self._until_idle()",
        "        pass",
        "core/test_scope.py",
    ),
    Removal(
        "a context that ends by an error cancels its runs",
        "core/_owner.py",
        "            else:\n                await self.cancel_all()",
        "            else:\n                await self._finish()",
        "agents/test_miniagents.py",
    ),
    Removal(
        "a clean-up that never ends is waited for shutdown_timeout seconds",
        "core/_scope.py",
        "timeout=max(0, deadline - self.loop.time())",
        "timeout=None",
        "core/test_scope.py",
    ),
    Removal(
        "what a clean-up has started is cancelled too",
        "core/_scope.py",
        "        while stopping := tuple(self._drivers):",
        "        for stopping in [tuple(self._drivers)]:",
        "core/test_scope.py",
    ),
    Removal(
        "a call from another thread or loop is refused",
        "core/_scope.py",
        "            raise WrongLoopError\n\n    def future",
        "            pass\n\n    def future",
        "agents/test_elsewhere.py",
    ),
    Removal(
        "an error that no reader was told is logged",
        "core/_owner.py",
        "            self.unhandled.report()",
        "            pass",
        "core/test_owner.py",
    ),
    Removal(
        "a reader that was told an error keeps it from being logged",
        "core/_buffer.py",
        "            self.context.unhandled.forget(self.error)",
        "            pass",
        "core/test_promise.py::test_a_seen_error_is_not_logged",
    ),
    Removal(
        "a clean-up is not cancelled a second time",
        "core/_producer_task.py",
        "        if self.task is None or self._stopping:",
        "        if self.task is None:",
        "laws/test_cancellation.py",
    ),
    Removal(
        "a task that was cancelled before its first step leaves its context",
        "core/_producer_task.py",
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
        "core/test_scope.py",
    ),
    Removal(
        "who waits for itself is told the cycle",
        "core/_producer_task.py",
        "        chain = chain_to(self, buffer.producer, junctions)",
        "        chain = None",
        "agents/test_deadlocks.py",
    ),
    Removal(
        "a sequence that is put into itself is told the cycle",
        "core/_flattener.py",
        "        chain = chain_to(self, piece.buffer.producer)",
        "        chain = None",
        "agents/test_deadlocks.py",
    ),
    Removal(
        "what a run has started ends with it when the run is cancelled",
        "core/_producer_task.py",
        "            self._end_children(keep=self._abandoned_but_reachable)",
        "            pass",
        "agents/test_run.py::test_a_cancelled_run_cancels_what_nobody_reads",
    ),
    Removal(
        "what a run has started ends with it when the run fails",
        "core/_producer_task.py",
        "            self._end_children(keep=_given_away)",
        "            pass",
        "agents/test_run.py",
    ),
    Removal(
        "what somebody else reads goes on when the run that started it is cancelled",
        "core/_producer_task.py",
        "            if child.buffer.readers == 0 and not keep(child):",
        "            if not keep(child):",
        "agents/test_run.py",
    ),
    Removal(
        "a run that nobody can read any more is stopped",
        "core/_promise.py",
        "        elif buffer.was_read and buffer.producer is not None:\n            _abandon(buffer, buffer.producer)",
        "        elif buffer.was_read and buffer.producer is not None:\n            pass",
        "core/test_promise.py",
    ),
    Removal(
        "an inquiry that was never read runs to its end",
        "core/_promise.py",
        "        elif buffer.was_read and buffer.producer is not None:",
        "        elif buffer.producer is not None:",
        "agents/test_run.py",
    ),
    Removal(
        "leaving an inquiry used as a block cancels it",
        "core/_promise.py",
        "        self.cancel()\n        await asyncio.sleep(0)",
        "        await asyncio.sleep(0)",
        "core/test_promise.py::test_leaving_the_block_cancels",
    ),
    Removal(
        "the input of a call that was dropped is finished",
        "agents/_call.py",
        "        if context.in_loop_thread():\n            flattener.finish()",
        "        if context.in_loop_thread():\n            pass",
        "agents/test_call.py",
    ),
    Removal(
        "what a run was to wait for does not outlive it",
        "core/_pending.py",
        "    for each in owed:\n        each.cancel()",
        "    for each in ():\n        each.cancel()",
        "agents/test_run.py",
    ),
    Removal(
        "collections may be nested 64 deep",
        "core/_message_type.py",
        "            if len(stack) > MAX_DEPTH:",
        "            if False:",
        "core/test_message_type.py::test_depth_of_collections",
    ),
    Removal(
        "so many inquiries of map_agent are under way and no more",
        "core/_concurrent_map.py",
        "        if self._failed or len(self._under_way) >= self._limits.concurrency:",
        "        if self._failed:",
        "operators/test_map_agent.py::test_as_many_at_once_as_allowed",
    ),
    Removal(
        "a subscription of agents stops what it has started",
        "core/_lift.py",
        "            producer.abandon()",
        "            pass",
        "core/test_lift.py::test_disposing_what_is_held",
    ),
    Removal(
        "a context that is opened again bounds its sources again",
        "core/_scope.py",
        "        self._thread = threading.get_ident()\n        self.draining = False",
        "        self._thread = threading.get_ident()",
        "core/test_scope.py::test_a_scope_that_is_opened_again",
    ),
    Removal(
        "a call to a loop that is closed is dropped",
        "core/_scope.py",
        "        if self._loop is not None and not self._loop.is_closed():\n"
        "            self._loop.call_soon_threadsafe(callback)",
        "        if self._loop is not None:\n            self._loop.call_soon_threadsafe(callback)",
        "core/test_scope.py::test_calls_when_the_loop_is_closed",
    ),
    Removal(
        "a push that raises does not block the next one",
        "core/_scope.py",
        "        finally:\n            self.pushing = False",
        "        finally:\n            self.pushing = not not self._pushes",
        "core/test_scope.py",
    ),
    Removal(
        "a clean-up that does not end is told of and left",
        "core/_scope.py",
        "            if self.loop.time() >= deadline:\n                break\n",
        "",
        "core/test_scope.py",
    ),
    Removal(
        "the messages that a cancelled run writes end with it, for whoever reads them",
        "core/_producer_task.py",
        "            if child.part:\n                child.cancel()",
        "            if False:\n                child.cancel()",
        "core/test_producer_task.py::test_cancel_ends_the_messages_that_are_read",
    ),
    Removal(
        "a run keeps nothing of those that it started and that have ended",
        "core/_producer_task.py",
        "            parent._children.discard(self)  # noqa: SLF001",
        "            pass  # noqa: SLF001",
        "core/test_producer_task.py::test_what_has_ended_is_forgotten_by_who_started_it",
    ),
    Removal(
        "an interrupt that leaves a task closes its stream",
        "core/_producer_task.py",
        "            self.aborted(self._cancelled())\n"
        "            if self.task is not None:\n"
        "                self.task.add_done_callback(_retrieve)\n",
        "",
        "core/test_producer_task.py",
    ),
    Removal(
        "what was replied by a run that failed goes on for its reader",
        "core/_producer_task.py",
        "    return child.buffer.kept",
        "    return False",
        "core/test_producer_task.py::test_a_failing_run_cancels_what_it_started",
    ),
    Removal(
        "what a cancelled run replies in its clean-up is dropped",
        "agents/_run.py",
        "        if self._aborted:\n            return",
        "        if False:\n            return",
        "agents/test_run.py::test_a_reply_after_the_run_was_cancelled",
    ),
    Removal(
        "the input that a run did not read ends with it",
        "agents/_agent.py",
        "        received.buffer.was_read = True  # the run is its reader: when that ends, so does this\n"
        "        return start",
        "        return start",
        "agents/test_run.py::test_input_that_its_run_did_not_read",
    ),
    Removal(
        "who gave up awaiting a sequence does not count as its reader",
        "core/_sequence.py",
        "        finally:\n            buffer.readers -= 1",
        "        finally:\n            pass",
        "agents/test_run.py::test_an_inquiry_that_was_awaited_for_a_while",
    ),
    Removal(
        "what was replied by a run that failed, and waits for its turn, goes on",
        "core/_flattener.py",
        "            buffer.kept = True\n            if not",
        "            if not",
        "agents/test_run.py::test_what_stands_behind_in_a_reply_of_a_failed_run_goes_on",
    ),
    Removal(
        "what is held of an abandoned run ends when it is dropped",
        "core/_producer_task.py",
        "            child.buffer.was_read = True  # from now on dropping it ends it\n        self.aborted",
        "            pass\n        self.aborted",
        "agents/test_run.py::test_what_is_held_of_an_abandoned_run_ends_when_it_is_dropped",
    ),
    Removal(
        "a stage that the next one does not read to its end is stopped",
        "agents/_algebra/_chains.py",
        "            messages.buffer.expect_reader()",
        "            pass",
        "agents/algebra/test_chains.py::test_a_stage_that_is_not_listened_to",
    ),
    Removal(
        "a call that another thread drops is finished on its own loop",
        "agents/_call.py",
        "        if context.in_loop_thread():\n"
        "            flattener.finish()\n"
        "        else:\n"
        "            context.call_soon(flattener.finish)",
        "        flattener.finish()",
        "agents/test_call.py::test_a_call_dropped_on_another_thread",
    ),
    Removal(
        "a promise that another thread drops is stopped on its own loop",
        "core/_promise.py",
        "        buffer.context.call_soon(producer.abandon)",
        "        producer.abandon()",
        "core/test_promise.py::test_dropped_from_another_thread_before_its_end",
    ),
    Removal(
        "leaving a block lets the clean-up begin",
        "core/_promise.py",
        "        await asyncio.sleep(0)  # the cancelled",
        "        pass  # the cancelled",
        "core/test_promise.py::test_leaving_the_block_lets_the_clean_up_begin",
    ),
    Removal(
        "streams may be nested 64 deep",
        "core/_flattener.py",
        "        if depth > MAX_DEPTH:",
        "        if False:",
        "core/test_flattener.py::test_depth_of_streams",
    ),
    Removal(
        "a wrong item of a stream fails where it stands",
        "core/_flattener.py",
        "        except Exception as error:  # noqa: BLE001 - it is the item's, not this stream's\n"
        "            self.take",
        "        except ZeroDivisionError as error:  # noqa: BLE001 - it is the item's, not this stream's\n"
        "            self.take",
        "core/test_flattener.py::test_a_wrong_item_of_a_stream",
    ),
    Removal(
        "who cancels a sequence stops whoever feeds it",
        "core/_flattener.py",
        '        """Stop, and whoever feeds this too."""\n'
        "        if self.feeder is not None:\n"
        "            self.feeder.cancel()\n",
        '        """Stop, and whoever feeds this too."""\n',
        "core/test_sequence.py::test_cancelling_stops_what_the_run_writes",
    ),
    Removal(
        "a handler that raises harms nobody",
        "core/_events.py",
        "        except Exception:\n            logger",
        "        except ZeroDivisionError:\n            logger",
        "core/test_events.py",
    ),
    Removal(
        "what closes with a context is closed although something before it failed",
        "core/_owner.py",
        "        except Exception:\n            logger",
        "        except ZeroDivisionError:\n            logger",
        "core/test_owner.py",
    ),
    Removal(
        "what closes with a context is closed although something before it was cancelled",
        "core/_owner.py",
        "                except CancelledError as error:",
        "                except ZeroDivisionError as error:",
        "core/test_owner.py",
    ),
    Removal(
        "a context whose wait for its runs is cancelled cancels them",
        "core/_owner.py",
        "        except BaseException:\n            await self.cancel_all()\n            raise",
        "        except ZeroDivisionError:\n            await self.cancel_all()\n            raise",
        "core/test_owner.py",
    ),
    Removal(
        "a context is entered once at a time",
        "core/_owner.py",
        "        if self._entered:\n",
        "        if False:\n",
        "core/test_owner.py",
    ),
    Removal(
        "a nested run that is interrupted is cancelled",
        "core/_nested_run.py",
        "            for request in cancel:\n",
        "            for request in ():\n",
        "core/test_nested_run.py",
    ),
    Removal(
        "a nested run that is interrupted is waited for",
        "core/_nested_run.py",
        "                    request()\n            wait((outcome,))",
        "                    request()",
        "core/test_nested_run.py::test_an_interrupt_is_passed_on",
    ),
    Removal(
        "an interrupted run ends before its loop",
        "core/_run_loop.py",
        "                if not task.done():\n",
        "                if False:\n",
        "core/test_run_loop.py::test_stuck",
    ),
    Removal(
        "an Observable that emits from another thread is heard on the own one",
        "core/_flattener.py",
        "        on_loop_thread(flattener.feed_or_fail), on_loop_thread(flattener.fail), on_loop_thread(flattener.finish)",
        "        flattener.feed_or_fail, flattener.fail, flattener.finish",
        "core/test_flattener.py::test_an_observable_of_another_thread",
    ),
    Removal(
        "a source that cannot be subscribed to is an error of the result",
        "core/_lift.py",
        "            except Exception as error:  # noqa",
        "            except ZeroDivisionError as error:  # noqa",
        "core/test_lift.py::test_a_source_of_a_context_that_has_ended",
    ),
    Removal(
        "a copy of a message that was ended leaves its source",
        "agents/_algebra/_copy.py",
        "            source.buffer.detach(self)",
        "            pass",
        "agents/algebra/test_copy.py::test_who_it_waits_for_and_whom_it_leaves",
    ),
)

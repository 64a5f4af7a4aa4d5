"""Safeguards against waiting for ever, and against keeping for ever."""

from typing import Final

from tests.safeguards.removal import Removal

__all__ = ["BOUNDS"]

BOUNDS: Final = (
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
    Removal(
        "a context that ends knows of the circles of runs that nobody reads",
        "agents/_agent.py",
        "            run.calls = True",
        "            pass",
        "agents/test_deadlocks.py::test_an_unfinished_call_of_a_run_that_nobody_reads",
    ),
    Removal(
        "a message that is made of itself is told the cycle",
        "promising/_walk.py",
        "            if chain is not None:\n                raise DeadlockError",
        "            if False:\n                raise DeadlockError",
        "promising/test_walk.py::test_it_waits_for_itself",
    ),
    Removal(
        "who awaits a stream without replay keeps it whole",
        "promising/_sequence.py",
        "        log.keep_all()\n        log.readers += 1",
        "        log.readers += 1",
        "promising/test_sequence.py::test_awaiting_keeps_all_without_replay",
    ),
    Removal(
        "the parts of a message that nobody can read go with its tokens",
        "promising/_part_log.py",
        "        if not self.items:\n            self.parts.clear()",
        "        pass",
        "promising/test_part_log.py::test_forgotten_together",
    ),
    Removal(
        "the source of `map_agent` is closed",
        "promising/_window.py",
        "        finally:\n            await close(iterator)",
        "        finally:\n            pass",
        "operators/test_map_agent.py",
    ),
    Removal(
        "no more results of `map_agent` wait than may be kept",
        "promising/_window.py",
        "return unread >= max(",
        "return 0 > max(",
        "operators/test_map_agent.py",
    ),
    Removal(
        "who leaves `map_agent` stops what is under way",
        "promising/_windowed.py",
        "    finally:\n        window.leave()",
        "    finally:\n        pass",
        "operators/test_map_agent.py",
    ),
    Removal(
        "an agent that has lost a race leaves no task behind",
        "agents/_algebra/_race.py",
        "            await ended(tasks)\n",
        "            pass\n",
        "agents/algebra/test_race.py",
    ),
    Removal(
        "an agent that is asked again was stopped before",
        "agents/_algebra/_retry.py",
        "            replies.cancel()\n",
        "            pass\n",
        "agents/algebra/test_retry.py",
    ),
    Removal(
        "who waits for a copy of a message waits for whoever writes that",
        "agents/_algebra/_copy.py",
        "return None if self._source is None else self._source.log.producer",
        "return None",
        "agents/algebra/test_copy.py::test_who_it_waits_for_and_whom_it_leaves",
    ),
    Removal(
        "little that is kept for slow readers does not take places from `map_agent`",
        "promising/_window.py",
        "max(self._context.prefetch, self._limits.concurrency)",
        "self._context.prefetch",
        "operators/test_map_agent.py::test_more_at_once_than_are_kept",
    ),
)

"""What is promised about lifecycle, bounds and context, sentence by sentence, and the tests that prove it.

A sentence that is not here is not promised. `test_sentences.py` checks that each has tests, and that each of
these tests is there.
"""

from dataclasses import dataclass

__all__ = ["SENTENCES", "Sentence"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One promise.

    Attributes:
        section: what it is about.
        text: the promise.
        tests: the node ids of the tests that fail if it does not hold.
    """

    section: str
    text: str
    tests: tuple[str, ...]


_ERRORS = "errors"
_LEAVING = "leaving, cancelling, ending"
_DEADLOCKS = "waiting for oneself"
_BOUNDS = "bounds"
_CONTEXT = "context"

SENTENCES = (
    # -- errors ----------------------------------------------------------------------------------------------
    Sentence(
        _ERRORS,
        "An error is the terminal of its stream, after everything that came before it.",
        (
            "tests/streams/test_pump.py::test_the_error_comes_last",
            "tests/streams/test_readers.py::test_items_before_the_error",
            "tests/streams/test_stream.py::test_the_error_is_the_terminal",
        ),
    ),
    Sentence(
        _ERRORS,
        "A failing message fails where it stands; the messages after it still arrive.",
        (
            "tests/agents/test_errors.py::test_a_failing_message",
            "tests/messages/test_sequence.py::test_a_failing_message_fails_where_it_stands",
        ),
    ),
    Sentence(
        _ERRORS,
        "A failing agent ends its replies with the error, after the replies already given.",
        ("tests/agents/test_errors.py::test_a_failing_agent",),
    ),
    Sentence(
        _ERRORS,
        "A reader gets the exception that was raised: the same type, the same object.",
        ("tests/agents/test_errors.py::test_the_same_object",),
    ),
    Sentence(
        _ERRORS,
        "A note on it names the chain of agents that it went through.",
        (
            "tests/agents/test_errors.py::test_the_chain_of_agents",
            "tests/agents/test_errors.py::test_the_chain_of_a_message",
            "tests/agents/test_errors.py::test_the_chain_in_a_pipe",
        ),
    ),
    Sentence(
        _ERRORS,
        "`partial_text` gives the text that had arrived.",
        ("tests/agents/test_errors.py::test_partial_text",),
    ),
    Sentence(
        _ERRORS,
        "With `errors_as_messages` on the context an error is an `ErrorMessage` in its place, with type, "
        "text and agent, and the sequence ends normally.",
        ("tests/agents/test_errors.py::test_errors_as_messages_of_a_context",),
    ),
    Sentence(
        _ERRORS,
        "The same for one agent or one inquiry alone.",
        (
            "tests/agents/test_agent.py::test_errors_as_messages_of_one_agent",
            "tests/agents/test_agent.py::test_errors_raised_by_one_agent",
        ),
    ),
    Sentence(
        _ERRORS,
        "No partial text is glued into an error message.",
        ("tests/agents/test_errors.py::test_no_partial_text_in_error_messages",),
    ),
    Sentence(
        _ERRORS,
        "`CancelledError` ends a run as cancelled, and is never handed to readers as a value.",
        (
            "tests/agents/test_miniagents.py::test_a_cancelled_error_is_no_value",
            "tests/streams/test_producer_task.py::test_a_body_that_is_cancelled_by_another",
        ),
    ),
    Sentence(
        _ERRORS,
        "`KeyboardInterrupt` and `SystemExit` leave through `MiniAgents.run`.",
        (
            "tests/agents/test_miniagents.py::test_exits_leave_through_run",
            "tests/streams/test_blocking_run.py::test_what_leaves_at_once",
        ),
    ),
    Sentence(
        _ERRORS,
        "A source closes its stream on every way out.",
        (
            "tests/semantics/test_ways_out.py::test_a_stream_ends_however_its_source_leaves",
            "tests/semantics/test_ways_out.py::test_a_run_ends_however_its_agent_leaves",
            "tests/streams/test_pump.py::test_cancelled_while_it_waits_for_the_source",
            "tests/streams/test_pump.py::test_cancelled_while_it_is_paused",
            "tests/streams/test_pump.py::test_an_error_of_the_taker_closes_the_source",
        ),
    ),
    Sentence(
        _ERRORS,
        "An error that no reader ever saw is logged once, with its chain of agents, when its stream is "
        "dropped or the context ends.",
        (
            "tests/agents/test_run.py::test_an_unread_error_is_logged_once",
            "tests/streams/test_promise.py::test_an_unseen_error_is_logged_once",
            "tests/streams/test_context.py::test_unseen_errors_are_logged_at_its_end",
            "tests/streams/test_promise.py::test_a_seen_error_is_not_logged",
            "tests/streams/test_unhandled.py::test_a_clean_up_that_fails",
        ),
    ),
    # -- leaving, cancelling, ending -------------------------------------------------------------------------
    Sentence(
        _LEAVING,
        "A reader that times out or is cancelled is gone alone: all others, now or later, are unharmed.",
        (
            "tests/streams/test_promise.py::test_a_reader_that_times_out_harms_nobody",
            "tests/agents/test_run.py::test_a_reader_that_leaves_harms_nobody",
            "tests/streams/test_buffer.py::test_a_cancelled_reader_harms_nobody",
        ),
    ),
    Sentence(
        _LEAVING,
        "When the last reader has left before the end and the promise can no longer be reached, the run is "
        "abandoned: cancelled, its generators closed, within one turn of the loop.",
        (
            "tests/semantics/test_ways_out.py::test_abandoned_within_a_turn",
            "tests/streams/test_promise.py::test_abandoned",
            "tests/agents/test_run.py::test_the_last_reader_leaves",
        ),
    ),
    Sentence(
        _LEAVING,
        "Its HTTP connection is released as well.",
        (
            "tests/ext/llm/test_transport.py::test_released",
            "tests/ext/llm/test_pause.py::test_leaving_while_it_is_paused",
        ),
    ),
    Sentence(
        _LEAVING,
        "An inquiry that was never read runs to its end.",
        (
            "tests/agents/test_agent.py::test_inquire_runs_unread",
            "tests/streams/test_promise.py::test_fire_and_forget",
        ),
    ),
    Sentence(
        _LEAVING,
        "`cancel()` ends the run now; readers get `InquiryCancelledError` after what had arrived.",
        (
            "tests/agents/test_agent.py::test_cancel",
            "tests/agents/test_run.py::test_a_message_being_written_ends_with_its_run",
            "tests/streams/test_promise.py::test_cancel",
        ),
    ),
    Sentence(
        _LEAVING,
        "Leaving `async with agent.inquire(...)` does the same.",
        (
            "tests/agents/test_agent.py::test_leaving_the_block_cancels",
            "tests/messages/test_sequence.py::test_leaving_the_block",
        ),
    ),
    Sentence(
        _LEAVING,
        "With a run that is cancelled or fails, the inquiries that it started and that have no other "
        "reader are cancelled.",
        (
            "tests/agents/test_run.py::test_a_failing_run_cancels_its_inquiries",
            "tests/agents/test_run.py::test_a_cancelled_run_cancels_its_inquiries",
            "tests/agents/test_run.py::test_what_somebody_else_reads_goes_on",
        ),
    ),
    Sentence(
        _LEAVING,
        "A context that ends normally waits for all runs, then returns.",
        (
            "tests/streams/test_context.py::test_a_normal_end_waits",
            "tests/agents/test_miniagents.py::test_the_end_waits_for_runs_of_runs",
        ),
    ),
    Sentence(
        _LEAVING,
        "It waits for `drain_timeout` seconds at most (None: for ever), then cancels what is left.",
        (
            "tests/streams/test_app_wide.py::test_drain_timeout",
            "tests/streams/test_app_wide.py::test_how_long_an_app_waits",
            "tests/streams/test_app_wide.py::test_then_the_shutdown_timeout",
            "tests/api/test_apps.py::test_a_shutdown",
        ),
    ),
    Sentence(
        _LEAVING,
        "One that ends by an exception cancels all runs, waits for their clean-up and raises it again.",
        (
            "tests/streams/test_context.py::test_any_other_end_cancels",
            "tests/streams/test_context.py::test_a_cleanup_is_let_finish",
        ),
    ),
    Sentence(
        _LEAVING,
        "So does one that ends by Ctrl-C, wherever that strikes.",
        (
            "tests/streams/test_promising_context.py::test_an_interrupt_within_a_run",
            "tests/semantics/test_ways_out.py::test_ctrl_c",
        ),
    ),
    Sentence(
        _LEAVING,
        "So does one that is cancelled, also while it waits for its runs.",
        (
            "tests/streams/test_context.py::test_any_other_end_cancels",
            "tests/streams/test_context.py::test_a_normal_end_that_is_cancelled",
        ),
    ),
    Sentence(
        _LEAVING,
        "It waits no longer than `shutdown_timeout`.",
        (
            "tests/streams/test_context.py::test_a_stubborn_task_of_a_block_is_left_behind",
            "tests/streams/test_context.py::test_a_stubborn_task_is_left_behind",
        ),
    ),
    Sentence(
        _LEAVING,
        "After a context there is no task, no open socket, no warning of an async generator, and nothing on "
        "stderr under `-X dev -W error`.",
        (
            "tests/semantics/test_ways_out.py::test_nothing_is_left",
            "tests/laws/test_leaks.py::test_nothing_is_alive",
            "tests/ext/llm/test_transport.py::test_closed_with_the_context",
        ),
    ),
    Sentence(
        _LEAVING,
        "What is in a promise can be read after its context has ended.",
        (
            "tests/agents/test_miniagents.py::test_what_came_stays_readable",
            "tests/streams/test_promise.py::test_readable_after_the_end",
        ),
    ),
    # -- waiting for oneself ---------------------------------------------------------------------------------
    Sentence(
        _DEADLOCKS,
        "A run whose own task awaits something that, through any chain of streams and by any face, awaits "
        "that run is a deadlock.",
        (
            "tests/agents/test_deadlocks.py::test_its_own_reply",
            "tests/agents/test_deadlocks.py::test_three_runs",
            "tests/agents/test_deadlocks.py::test_through_another_agent",
            "tests/agents/test_deadlocks.py::test_through_a_joined_message",
            "tests/agents/test_deadlocks.py::test_through_a_pump",
            "tests/agents/test_deadlocks.py::test_in_every_way_of_waiting",
        ),
    ),
    Sentence(
        _DEADLOCKS,
        "It is found when nothing moves, within a second, and at once on an idle loop with virtual time: a "
        "`DeadlockError` that names the circle is raised in a run of it.",
        (
            "tests/agents/test_deadlocks.py::test_two_runs",
            "tests/agents/test_deadlocks.py::test_within_a_second",
            "tests/streams/test_deadlocks.py::test_waiting_for_oneself",
            "tests/streams/test_deadlocks.py::test_within_a_second",
        ),
    ),
    Sentence(
        _DEADLOCKS,
        "Waiting costs nothing for it: where no run waits for a stream, nothing is looked at.",
        (
            "tests/streams/test_deadlocks.py::test_no_watch_without_a_wait",
            "tests/streams/test_deadlocks.py::test_the_watch_ends_with_the_runs",
        ),
    ),
    Sentence(
        _DEADLOCKS,
        "A circle through a task that a run made is logged once with its names, and not raised.",
        (
            "tests/agents/test_deadlocks.py::test_through_a_task",
            "tests/agents/test_deadlocks.py::test_two_through_a_task",
            "tests/streams/test_deadlocks.py::test_a_task_of_the_run",
        ),
    ),
    Sentence(
        _DEADLOCKS,
        "What is no circle is not called one, and a healthy program is never killed.",
        (
            "tests/agents/test_deadlocks.py::test_any_graph",
            "tests/agents/test_deadlocks.py::test_two_in_every_way",
            "tests/agents/test_deadlocks.py::test_a_task_may_wait_for_its_run",
            "tests/agents/test_deadlocks.py::test_a_translation_of_its_own_replies",
            "tests/agents/test_deadlocks.py::test_a_slow_stream_that_was_replied",
            "tests/agents/test_deadlocks.py::test_runs_that_sleep",
            "tests/agents/test_deadlocks.py::test_a_call_that_others_finish",
            "tests/streams/test_deadlocks.py::test_helpers_that_may_reply",
        ),
    ),
    Sentence(
        _DEADLOCKS,
        "It claims only what it knows: no private attribute of asyncio, no reference count and no garbage "
        "collector is asked; an open call, which anybody may finish, is no deadlock.",
        (
            "tests/architecture/test_private_asyncio.py::test_nothing_private_is_read",
            "tests/agents/test_deadlocks.py::test_an_unfinished_call",
        ),
    ),
    Sentence(
        _DEADLOCKS,
        "A call that is dropped without `reply_sequence()` or `finish()` is finished for the caller.",
        (
            "tests/agents/test_call.py::test_a_dropped_call_is_finished",
            "tests/agents/test_call.py::test_a_call_dropped_by_its_run",
            "tests/agents/test_call.py::test_a_call_in_a_cycle",
        ),
    ),
    # -- bounds ----------------------------------------------------------------------------------------------
    Sentence(
        _BOUNDS,
        "A pumped async iterable runs at most `prefetch` pieces ahead of its fastest reader.",
        (
            "tests/streams/test_pump.py::test_at_most_prefetch_ahead",
            "tests/agents/test_prefetch.py::test_tokens_are_paused",
        ),
    ),
    Sentence(
        _BOUNDS,
        "So does the HTTP stream of a model: while it is paused its socket is not read.",
        ("tests/ext/llm/test_pause.py::test_the_socket_is_not_read",),
    ),
    Sentence(
        _BOUNDS,
        "So does an async iterable given to `reply` or `inquire`, through whatever stands behind it.",
        (
            "tests/agents/test_prefetch.py::test_messages_are_paused",
            "tests/agents/test_prefetch.py::test_streams_that_wait_for_their_turn",
        ),
    ),
    Sentence(
        _BOUNDS,
        "`prefetch` is 1,024 unless told otherwise.",
        ("tests/streams/test_promising_context.py::test_its_keywords",),
    ),
    Sentence(
        _BOUNDS,
        "What is paused is not dropped: every piece arrives.",
        ("tests/agents/test_prefetch.py::test_nothing_hangs",),
    ),
    Sentence(
        _BOUNDS,
        "A paused source goes on when a reader catches up.",
        (
            "tests/agents/test_prefetch.py::test_messages_are_paused",
            "tests/ext/llm/test_pause.py::test_the_socket_is_not_read",
        ),
    ),
    Sentence(
        _BOUNDS,
        "It goes on when someone awaits the whole.",
        (
            "tests/agents/test_prefetch.py::test_awaiting_the_whole",
            "tests/streams/test_pump.py::test_a_paused_source_resumes_when_awaited",
            "tests/ext/llm/test_pause.py::test_who_awaits_it_all",
        ),
    ),
    Sentence(
        _BOUNDS,
        "It goes on when the context drains.",
        (
            "tests/agents/test_prefetch.py::test_the_end_of_the_context",
            "tests/streams/test_pump.py::test_a_paused_source_resumes_when_the_context_drains",
            "tests/ext/llm/test_pause.py::test_the_end_of_the_context",
        ),
    ),
    Sentence(
        _BOUNDS,
        "Synchronous operators buffer nothing: a token is through a pipe before the next one is written.",
        (
            "tests/agents/test_agent.py::test_token_by_token",
            "tests/semantics/test_ways_out.py::test_operators_buffer_nothing",
        ),
    ),
    Sentence(
        _BOUNDS,
        "A stream with `replay=False` keeps nothing that all its readers have passed.",
        (
            "tests/streams/test_buffer.py::test_what_all_have_passed_goes",
            "tests/streams/test_promise.py::test_without_replay",
            "tests/messages/test_sequence.py::test_without_replay",
        ),
    ),
    Sentence(
        _BOUNDS,
        "Where a source cannot be paused, it is said what becomes of items: `block`, `drop_oldest`, `fail`.",
        (
            "tests/streams/test_bounded_queue.py::test_a_thread_is_made_to_wait",
            "tests/streams/test_bounded_queue.py::test_the_loop_cannot_be_made_to_wait",
            "tests/streams/test_bounded_queue.py::test_the_oldest_are_dropped",
            "tests/streams/test_bounded_queue.py::test_one_too_many_fails",
        ),
    ),
    Sentence(
        _BOUNDS,
        "Nesting of messages is capped at 64 levels, with a typed error.",
        (
            "tests/values/test_freeze.py::test_nesting_is_capped",
            "tests/messages/test_message_type.py::test_depth_of_collections",
        ),
    ),
    Sentence(
        _BOUNDS,
        "So is nesting of replies.",
        ("tests/messages/test_flattener.py::test_depth_of_streams",),
    ),
    Sentence(
        _BOUNDS,
        "Flattening is no recursion.",
        (
            "tests/values/test_freeze.py::test_far_too_deep_is_no_recursion_error",
            "tests/agents/test_agent.py::test_a_thousand_agents",
            "tests/messages/test_lift.py::test_a_long_pipeline",
        ),
    ),
    Sentence(
        _BOUNDS,
        "`map_agent` has at most `concurrency` runs under way, in memory that does not grow with the rows.",
        (
            "tests/operators/test_map_agent.py::test_memory_is_flat",
            "tests/semantics/test_many_rows.py::test_many_rows",
        ),
    ),
    # -- context ---------------------------------------------------------------------------------------------
    Sentence(
        _CONTEXT,
        "A run sees the contextvars of its inquirer.",
        (
            "tests/agents/test_contextvars.py::test_of_the_inquirer",
            "tests/agents/test_miniagents.py::test_contextvars_of_the_inquirer",
        ),
    ),
    Sentence(
        _CONTEXT,
        "In a pipe it sees those of the subscriber, in the agent and in every operator.",
        (
            "tests/agents/test_contextvars.py::test_of_the_subscriber",
            "tests/agents/test_contextvars.py::test_of_each_subscriber",
            "tests/agents/test_contextvars.py::test_of_map_agent",
        ),
    ),
    Sentence(
        _CONTEXT,
        "No context token and no cancel scope is held across a `yield`.",
        (
            "tests/architecture/test_yields.py::test_nothing_is_held_across_a_yield",
            "tests/streams/test_context.py::test_left_in_another_context",
        ),
    ),
    Sentence(
        _CONTEXT,
        "A context has one event loop; a call from another thread is a typed error that says so.",
        (
            "tests/agents/test_elsewhere.py::test_from_a_thread",
            "tests/agents/test_elsewhere.py::test_read_from_a_thread",
            "tests/streams/test_context.py::test_from_another_thread_or_loop",
        ),
    ),
    Sentence(
        _CONTEXT,
        "So is a call from a forked process.",
        ("tests/agents/test_elsewhere.py::test_after_fork",),
    ),
    Sentence(
        _CONTEXT,
        "The context in use is that of the block, then the app-wide one of the event loop; else there is an "
        "error that shows both ways.",
        (
            "tests/streams/test_app_wide.py::test_order",
            "tests/streams/test_app_wide.py::test_who_has_none_uses_it",
            "tests/streams/test_app_wide.py::test_other_loops",
            "tests/api/test_apps.py::test_fastapi",
            "tests/api/test_apps.py::test_a_plain_context_is_not_the_app",
            "tests/test_apps_page.py::test_the_notebook",
        ),
    ),
    Sentence(
        _CONTEXT,
        "A task that outlives its own context gets an error, and never the app-wide one.",
        ("tests/streams/test_app_wide.py::test_who_outlives_their_own_context",),
    ),
    Sentence(
        _CONTEXT,
        "A second app-wide context on an event loop is an error that names the first; `start(replace=True)` "
        "ends that one.",
        (
            "tests/streams/test_app_wide.py::test_a_second_one",
            "tests/streams/test_app_wide.py::test_start_again",
        ),
    ),
    Sentence(
        _CONTEXT,
        "A thread calls in a context with `from_thread`, and is never left waiting when that ends.",
        (
            "tests/streams/test_thread_calls.py::test_from_a_worker",
            "tests/streams/test_thread_calls.py::test_from_a_thread_of_a_block",
            "tests/streams/test_thread_calls.py::test_the_end_waits_for_it",
            "tests/streams/test_thread_calls.py::test_the_end_cancels_it",
            "tests/streams/test_thread_calls.py::test_a_call_that_comes_too_late",
        ),
    ),
    Sentence(
        _CONTEXT,
        "A context inside another on the same loop is its child: it ends its own runs and shares clients, "
        "settings, handlers and what goes around runs.",
        (
            "tests/streams/test_context.py::test_a_child_ends_its_own_runs",
            "tests/streams/test_context.py::test_shared_until_the_outermost_ends",
            "tests/streams/test_context.py::test_settings_of_the_parent",
            "tests/agents/test_miniagents.py::test_handlers_of_an_inner_context",
            "tests/agents/test_around.py::test_around_of_an_inner_context",
            "tests/api/test_apps.py::test_requests_share_connections",
            "tests/api/test_apps.py::test_requests_share_limits",
            "tests/api/test_apps.py::test_the_order_of_what_is_told",
            "tests/streams/test_app_wide.py::test_a_context_in_a_request",
        ),
    ),
    Sentence(
        _CONTEXT,
        "A nested blocking `run` has an event loop of its own and is no child.",
        (
            "tests/streams/test_context.py::test_a_nested_run_is_no_child",
            "tests/api/test_apps.py::test_a_nested_run_in_a_request",
        ),
    ),
)
"""Every sentence, in order."""

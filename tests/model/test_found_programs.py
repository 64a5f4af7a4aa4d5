"""The smallest programs of the defects that random programs found after 0.2.0; each was red at some time."""

import pytest

from tests.model import programs as p
from tests.model.run import check

READ = (p.Reader("iterate"),)
AWAIT = (p.Reader("await"),)
TOKENS = (p.Reader("tokens"),)
NOTHING = p.Listed(())


def function(*steps: p.Step) -> p.Function:
    """A function of these steps."""
    return p.Function(steps)


def writing(seconds: float) -> p.Reply:
    """Reply a message that streams for so long, and has no token."""
    return p.Reply(p.Streamed((), ends=seconds))


def failing(seconds: float, error: str) -> p.Reply:
    """Reply a message that fails after so long."""
    return p.Reply(p.Streamed((), (seconds, error)))


UPPER = p.EachMessage("upper")
WHOLE = p.EachMessage("whole")
PASS = p.Reply(p.Received())
SLOTS = p.Prompt(slot=True)
SENT = p.Text("x")

FOUND = {
    "C2 a chain whose last stage fails while it rewrites": p.Program(
        p.Chain(function(writing(1.0)), function(UPPER, p.Raise("e"))), SENT, READ
    ),
    "C2 a generator that fails after it has yielded replies that wait": p.Program(
        function(
            p.Reply(
                p.Generated(
                    (
                        (
                            0.0,
                            p.Asked(
                                function(
                                    p.Reply(p.Asked(function(p.WaitFor(2.0)), NOTHING)), failing(2.5, "e1")
                                ),
                                NOTHING,
                            ),
                        ),
                    ),
                    (1.0, "e2"),
                )
            )
        ),
        SENT,
        AWAIT,
    ),
    "C4 an error that a handler and a reader got keeps nothing going": p.Program(
        p.Catching(function(WHOLE), p.Received()),
        p.Listed((p.Streamed((), (1.0, "e")), p.Streamed((), ends=2.0))),
        TOKENS,
        dropped=True,
    ),
    "C4 an error that a handler and a reader got at once keeps its source from going on": p.Program(
        p.Catching(function(p.AwaitInput(replies=True)), p.Received()),
        p.Generated(((1.0, p.Streamed((), (0.0, "e"))), (1.0, p.Streamed((), ends=1.0)))),
        TOKENS,
        dropped=True,
    ),
    "C4 an error that a reader and a run get in one turn keeps no reader": p.Program(
        p.Both(
            p.Timeout(
                p.Chain(function(PASS, p.AwaitInput(replies=False)), function(PASS, UPPER)),
                first_token=1.0,
                stall=1.0,
            ),
            function(writing(0.0), p.Sleep(5.0), p.Raise("e2")),
        ),
        p.Generated((), (0.0, "e3")),
        (p.Reader("iterate", leave=p.Leave("wait_for", at=3.3)),),
        dropped=True,
        order=5,
    ),
    "C4 an error that a reader of a pipe and a run get in one turn keeps no run": p.Program(
        p.Chain(
            function(failing(1.0, "e"), p.Reply(p.Asked(function(p.Sleep(2.0), writing(1.0)), SENT))),
            p.Tools((), p.Streamed(())),
        ),
        NOTHING,
        (p.Reader("pipe tokens"),),
        dropped=True,
        order=1,
    ),
    "C4 a handler that raises holds no input": p.Program(
        p.Chain(function(WHOLE, p.Raise("e1")), p.Catching(function(failing(0.0, "e2")), "e3")),
        p.Streamed(((1.0, "a"),)),
        (p.Reader("await", outside=True),),
    ),
    "C4 an agent in a pipe lets its input go when its function has ended": p.Program(
        function(p.Reply(p.Piped(function(p.Sleep(1.0), p.WaitFor(1.5))))), p.Streamed((), ends=2.0), AWAIT
    ),
    "C7 the error of a message that a second one rewrites": p.Program(
        function(PASS, UPPER), p.Failure("e"), TOKENS
    ),
    "C7 the error of replies that are awaited beside their reader": p.Program(
        p.Around(p.Identity(), "watch"),
        p.Asked(function(failing(1.0, "e")), NOTHING),
        (p.Reader("tokens", outside=True),),
        dropped=True,
        order=444,
    ),
    "C7 a time limit of replies that are awaited beside their reader": p.Program(
        p.Around(p.Timeout(function(writing(2.0)), stall=1.0), "watch"),
        NOTHING,
        AWAIT,
        dropped=True,
        order=729,
    ),
    "C7 a time limit that ends two messages of which the first one is read": p.Program(
        p.Timeout(function(writing(2.0), writing(3.0)), total=1.0), SENT, (p.Reader("subscribe tokens"),)
    ),
    "C7 the error of a prompt that a second handler passes on": p.Program(
        p.Catching(p.Identity(), function(p.WaitFor(1.0), UPPER)),
        p.Asked(SLOTS, NOTHING),
        (p.Reader("subscribe"),),
        dropped=True,
    ),
    "C7 an agent that had failed when its limit expires": p.Program(
        p.Timeout(function(p.Reply(p.Streamed(((2.0, "a"),))), p.Raise("e")), stall=1.0), SENT, READ
    ),
    "C7 the error of the last attempt, which nothing reads": p.Program(
        p.Chain(p.Retry(function(p.Reply(p.Failure("e")), p.Sleep(1.0)), 2, 0.0), function(p.Sleep(1.0))),
        SENT,
        AWAIT,
    ),
    "C7 a time limit of a message from outside, which nothing reads": p.Program(
        p.Chain(p.Timeout(p.Identity(), total=1.0), function(p.Sleep(2.0))), p.Streamed((), ends=3.0), READ
    ),
    "C7 a time limit of a prompt, which nothing reads": p.Program(
        p.Timeout(SLOTS, first_token=0.5, stall=1.0),
        p.Streamed(((2.0, "a"),)),
        (p.Reader("subscribe", begins=2.5),),
    ),
    "C7 an error in a pipe that a function awaits": p.Program(
        function(
            p.Reply(p.Piped(p.Around(p.Timeout(function(writing(1.0), p.Raise("e")), total=2.0), "watch")))
        ),
        NOTHING,
        (p.Reader("subscribe"),),
    ),
    "C7 an error of messages that are split, and whose reader got it": p.Program(
        p.Identity(), p.Split(p.Streamed(((0.0, "k"),), (0.0, "e"))), READ, dropped=True
    ),
    "C7 a time limit of messages that are joined": p.Program(
        function(
            p.Reply(
                p.Joined(
                    p.Asked(
                        p.Timeout(
                            p.Chain(function(failing(2.0, "e")), function(PASS, p.AwaitInput(replies=True))),
                            total=1.0,
                        ),
                        NOTHING,
                    )
                )
            )
        ),
        NOTHING,
        TOKENS,
    ),
    "N1 a message that had failed before it was replied": p.Program(
        p.Timeout(p.Identity(), stall=1.0), p.Listed((p.Streamed((), ends=2.0), p.Failure("e"))), READ
    ),
    "N1 a total limit begins again when the input ends": p.Program(
        p.Timeout(function(p.Sleep(2.0)), stall=2.0, total=1.0), p.Streamed(((0.2, "a"),)), READ
    ),
    "N1 a limit of no seconds sets timers for ever": p.Program(
        p.Timeout(function(p.Reply(p.Streamed(((1.0, "a"),)))), first_token=0.0, stall=1.8),
        p.Streamed((), ends=1.2),
        READ,
    ),
    "N1 a stall limit that is shorter than the one for the first token": p.Program(
        p.Timeout(function(p.Reply(p.Streamed(((1.0, "a"), (9.0, "b"))))), first_token=6.0, stall=1.0),
        SENT,
        READ,
    ),
    "N2 what a run that has ended forgot, below catching": p.Program(
        p.Catching(
            function(p.Forget(function(writing(5.0)), SENT), writing(5.0), p.Sleep(3.0)), p.Received()
        ),
        SENT,
        AWAIT,
        cancelled=1.0,
        dropped=True,
    ),
    "N2 replies that a stopped function had not replied yet": p.Program(
        p.Timeout(function(p.Kept(p.Asked(function(writing(5.0)), NOTHING), (p.Sleep(6.0),))), total=4.0),
        SENT,
        (p.Reader("await", leave=p.Leave("wait_for", at=1.0)),),
        dropped=True,
    ),
    "N2 a prompt that a stopped function had not replied yet": p.Program(
        function(p.Kept(p.Asked(SLOTS, p.Received()), (p.AwaitInput(replies=True),))),
        p.Streamed((), ends=1.0),
        READ,
        cancelled=0.2,
    ),
    "N2 a prompt whose errors are handled, and that a failing function forgot": p.Program(
        function(
            p.Forget(p.Catching(SLOTS, p.Received()), p.Streamed((), ends=1.0)), p.Sleep(0.4), p.Raise("e")
        ),
        NOTHING,
        (p.Reader("subscribe tokens"),),
    ),
    "N2 an inquiry that is forgotten, and in which errors become messages": p.Program(
        function(p.Forget(p.ErrorsAsMessages(p.Identity()), p.Received()), p.Sleep(5.0)),
        p.Streamed(((1.0, "a"), (2.0, "b"))),
        AWAIT,
        cancelled=2.0,
        dropped=True,
    ),
    "N2 what a forgotten run was sent goes on with it": p.Program(
        p.Catching(
            p.Chain(
                function(p.Sleep(2.0)),
                p.Both(
                    function(writing(2.0), p.Forget(function(p.Sleep(3.0)), p.Received())),
                    function(p.Sleep(2.0)),
                ),
            ),
            p.Received(),
        ),
        p.Streamed((), ends=3.0),
        READ,
        cancelled=1.0,
    ),
    "N2 a forgotten run that has replied what it was sent": p.Program(
        function(
            p.Forget(function(p.Reply(p.Asked(function(PASS, WHOLE), p.Streamed((), (2.0, "e"))))), NOTHING),
            p.Sleep(2.0),
        ),
        NOTHING,
        READ,
        cancelled=1.0,
        dropped=True,
    ),
    "N2 a message in which errors become messages": p.Program(
        p.Chain(p.Identity(), p.ErrorsAsMessages(p.Identity())),
        p.Streamed(((0.0, "a"),), ends=2.0),
        READ,
        cancelled=1.0,
    ),
    "C3 a message that waited behind another one, when a join of them has failed": p.Program(
        function(
            p.Reply(
                p.Joined(
                    p.Listed((p.Split(p.Streamed(((0.0, "a"),), (1.0, "e"))), p.Streamed((), (2.0, "f"))))
                )
            )
        ),
        NOTHING,
        TOKENS,
    ),
    "C2 a function that goes on when its rows are cancelled, and begins an inquiry": p.Program(
        p.Timeout(
            p.Chain(
                function(
                    p.Rows(function(writing(9.0)), ((0.0, SENT),), 1, ordered=True),
                    p.Forget(function(writing(1.0)), SENT),
                ),
                p.Identity(),
            ),
            total=2.0,
        ),
        NOTHING,
        READ,
        order=2,
    ),
    "C7 an error of a model with tools that was forgotten": p.Program(
        function(p.Forget(p.Tools((), p.Streamed((), (1.0, "e"))), SENT)), NOTHING, READ
    ),
    "C3 what is left of an agent whose answer another one begins anew": p.Program(
        p.Backed(
            function(p.Kept(p.Streamed((), ends=2.0), (p.Reply(p.Streamed(((1.0, "c"),), (0.0, "e"))),))),
            function(writing(2.5)),
            hold=False,
            restart=True,
        ),
        NOTHING,
        AWAIT,
    ),
    "C4 a reader of tokens that were withdrawn kept what came behind them": p.Program(
        p.Backed(
            function(p.Reply(p.Streamed(((0.0, "h"),), (0.0, "e1")))),
            p.Both(p.Identity(), p.Retry(function(failing(1.0, "e2")), 3, 0.0)),
            hold=False,
            restart=True,
        ),
        SENT,
        (p.Reader("subscribe tokens"),),
        dropped=True,
        order=8,
    ),
    "C2 a function that goes on behind its rows when it loses a race": p.Program(
        p.Race(
            (
                p.Chain(
                    function(p.Rows(function(writing(1.0)), ((0.0, SENT),), 3, ordered=True), p.Raise("e")),
                    p.Identity(),
                ),
                function(p.Sleep(0.5)),
            )
        ),
        NOTHING,
        (p.Reader("subscribe"),),
        dropped=True,
    ),
    "C2 a function that goes on behind its rows when a time limit stops them": p.Program(
        p.Timeout(
            p.Chain(
                function(p.Rows(function(writing(5.0)), ((0.0, SENT),), 1, ordered=True), p.Raise("e")),
                p.Identity(),
            ),
            total=1.0,
        ),
        NOTHING,
        (p.Reader("subscribe tokens"),),
        dropped=True,
    ),
    "C2 a handler that gets the cancellation of what it reads before its own": p.Program(
        p.Chain(
            p.Around(function(p.Reply(p.Streamed(((3.0, "a"),), ends=2.0))), "watch"),
            p.Both(p.Identity(), p.Catching(p.Identity(), "e")),
        ),
        NOTHING,
        READ,
        cancelled=4.9,
        order=1,
        dropped=True,
    ),
    "C2 a function that goes on when the generator that it was sent is stopped with it": p.Program(
        p.Timeout(
            function(
                p.Kept(
                    p.Asked(function(p.EachMessage("echo"), p.Raise("e")), p.Generated(((5.0, SENT),))),
                    (p.Sleep(5.5),),
                )
            ),
            total=1.0,
        ),
        NOTHING,
        TOKENS,
        order=1,
    ),
    "C2 a function that goes on behind a cancellation that became a message": p.Program(
        p.Chain(
            p.ErrorsAsMessages(function(p.Reply(p.Streamed(((2.0, "a"),), ends=2.1)))),
            p.Around(
                function(p.Kept(p.Received(), (p.EachMessage("echo"),)), p.Raise("e")),
                "watch",
            ),
        ),
        NOTHING,
        AWAIT,
        cancelled=2.5,
        order=2,
        dropped=True,
    ),
    "C2 the input of a forgotten race, which goes on when the run that began it is stopped": p.Program(
        p.Race(
            (
                function(p.Sleep(0.5)),
                p.Chain(
                    function(
                        p.Forget(
                            p.Race((p.Identity(), function(p.Reply(p.Failure("e"))))),
                            p.Listed((p.Streamed((), ends=1.0), p.Streamed((), ends=1.2))),
                        )
                    ),
                    function(p.Sleep(1.5)),
                ),
            )
        ),
        NOTHING,
        TOKENS,
        dropped=True,
    ),
    "C2 the input of a run that only a forgotten inquiry reads, when what began both is cancelled": p.Program(
        p.Around(
            p.Chain(
                p.Catching(p.Identity(), p.Received()),
                p.Chain(
                    function(p.Sleep(2.0)),
                    p.Both(p.Identity(), function(p.Forget(p.Identity(), p.Received()))),
                ),
            ),
            "pass",
        ),
        p.Generated(((1.134, p.Received()), (0.0, p.Streamed(((1.0, "l2"),), ends=0.0)))),
        TOKENS,
        cancelled=1.0,
        order=53,
    ),
    "C7 an error that was handled while a time limit waits to pass it on": p.Program(
        p.Hedge(
            p.Identity(),
            p.Timeout(
                function(p.Reply(p.Streamed(((1.0, "a"),), (1.1, "f"))), p.AwaitInput(replies=False)),
                total=3.0,
            ),
            after=1.5,
        ),
        p.Streamed((), (0.0, "e")),
        TOKENS,
        dropped=True,
    ),
    "C7 an error with which a function was failing when it was stopped": p.Program(
        p.Retry(
            p.Chain(
                p.Timeout(function(p.Reply(p.Streamed(((2.0, "a"), (5.0, "b")))), p.Raise("e")), total=5.5),
                function(p.WaitFor(5.7), p.Kept(p.Received(), (p.EachMessage("echo"),))),
            ),
            3,
            0.0,
        ),
        NOTHING,
        READ,
        cancelled=2.1,
        order=3,
    ),
    "C7 an error of a function that was stopped keeps nothing alive in the log": p.Program(
        p.Race(
            (
                p.Identity(),
                p.Chain(
                    p.Chain(
                        p.Chain(p.Identity(), function(p.WaitFor(0.0), p.Raise("e1"))),
                        function(),
                    ),
                    function(p.Sleep(1.0)),
                ),
            )
        ),
        p.Asked(p.Both(p.Identity(), p.Identity()), p.Streamed((), (2.0, "e3"))),
        (p.Reader("iterate"),),
        dropped=True,
        order=1,
    ),
    "N4 a reader that has got a withdrawn message, and leaves, keeps nothing alive": p.Program(
        p.Chain(
            p.Both(
                p.Both(
                    p.Backed(
                        function(
                            p.Reply(p.Text("n")),
                            p.Reply(p.Streamed(((0.44, "o"),), (0.0, "e4"))),
                        ),
                        function(p.Reply(p.Text("x"))),
                        hold=False,
                        restart=True,
                    ),
                    SLOTS,
                ),
                p.Around(p.Identity(), "not"),
            ),
            p.Both(p.Identity(), p.Race((p.Identity(), function(p.Sleep(1.0), PASS)))),
        ),
        p.Received(),
        (p.Reader("iterate", leave=p.Leave("break", count=4)),),
        dropped=True,
    ),
    "N4 a message that fails, and nothing takes its place, keeps its text": p.Program(
        p.ErrorsAsMessages(p.Backed(SLOTS, p.Identity(), hold=False, restart=True)),
        p.Received(),
        AWAIT,
        dropped=True,
    ),
    "N4 an error of a handler keeps nothing alive (Python 3.12)": p.Program(
        p.Chain(
            p.Catching(
                p.Identity(),
                p.Catching(
                    function(p.EachMessage("echo"), p.Reply(p.Streamed(((2.0, "f"),)))),
                    "e2",
                ),
            ),
            function(p.Sleep(4.6)),
        ),
        p.Streamed(((2.9, "p"),), (0.0, "e3")),
        READ,
    ),
    "N4 a message that fails again when nothing takes its place is logged": p.Program(
        p.Backed(p.Identity(), function(p.Sleep(1.0)), hold=False, restart=True),
        p.Asked(p.Backed(p.Identity(), SLOTS, hold=True, restart=False), p.Failure("e")),
        (p.Reader("subscribe"),),
    ),
    "N4 what takes over from a message, and fails, lets the input go (Python 3.12)": p.Program(
        p.Backed(p.Identity(), function(p.Raise("e2")), hold=False, restart=True),
        p.Generated(((0.0, p.Streamed(((0.0, "a"),), (1.0, "e1"))), (2.0, p.Streamed((), ends=1.0)))),
        READ,
    ),
    "N4 a message that is stopped with its run lets no other agent take over": p.Program(
        p.Race(
            (
                p.Identity(),
                p.Chain(
                    p.Backed(
                        function(p.Reply(p.Streamed(((0.0, "h"),), ends=2.0)), p.Raise("e8")),
                        function(p.Forget(p.Prompt(slot=True), p.Received())),
                        hold=False,
                        restart=False,
                    ),
                    p.Identity(),
                ),
            )
        ),
        p.Split(p.Joined(p.Streamed(((0.2, "r"),), ends=3.0))),
        READ,
        cancelled=1.9,
    ),
    "N4 what takes over from a message goes on for who reads only that": p.Program(
        p.Identity(),
        p.Asked(
            p.Backed(
                function(p.Reply(p.Streamed(((2.0, "e"),), (2.0, "e1")))),
                p.Identity(),
                hold=False,
                restart=True,
            ),
            p.Failure("e3"),
        ),
        READ,
        cancelled=3.5,
        dropped=True,
    ),
    "N4 what takes over from a message gets the input as it was, also its error": p.Program(
        p.Backed(p.Identity(), p.Identity(), hold=False, restart=True),
        p.Split(p.Streamed(((0.0, "z"),), (0.0, "e8"))),
        READ,
        dropped=True,
    ),
    "N3 a guard of a model with tools whose errors become messages": p.Program(
        p.Guarded(p.Timeout(p.ErrorsAsMessages(p.Tools((), p.Streamed((), ends=1.0))), total=0.9), 0),
        NOTHING,
        AWAIT,
        dropped=True,
    ),
    "C1 a subscriber that leaves withdraws the demand of an agent that waits for the next message": p.Program(
        p.Identity(),
        p.Asked(
            p.Both(p.Identity(), p.ErrorsAsMessages(p.Identity())),
            p.Streamed(((0.0, "b"), (1.0, "c"), (0.0, "z"))),
        ),
        (p.Reader("subscribe"),),
        prefetch=3,
        input_readers=(p.Reader("subscribe", leave=p.Leave("cancel", at=0.5)),),
        flow=True,
    ),
    "D1 a message that nothing reads, in front of one that is needed through two agents": p.Program(
        p.Chain(p.Chain(function(PASS), function(PASS)), function(p.EachMessage("echo"))),
        p.Asked(p.Catching(function(UPPER), p.Received()), SENT),
        (p.Reader("subscribe"),),
        prefetch=1,
        flow=True,
    ),
    "D2 an error behind a message that nothing reads, within a time limit": p.Program(
        p.Timeout(p.Around(p.Identity(), "watch"), total=1.0),
        p.Asked(
            function(UPPER),
            p.Generated(((0.0, p.Streamed((), (0.0, "e"))), (0.0, p.Text("b")))),
        ),
        (p.Reader("subscribe"),),
        prefetch=1,
        flow=True,
    ),
    "a model with tools calls none for an input that fails and ends with calls": p.Program(
        p.Route(p.Identity(), p.Chain(function(failing(1.0, "e"), PASS), p.Tools((), p.Streamed(())))),
        p.Asked(p.Tools(((2.0,),), p.Streamed(())), SENT),
        READ,
    ),
    "a prompt that was forgotten has ended when it has passed on what it was sent": p.Program(
        function(p.Kept(p.Received(), (p.Forget(p.Prompt(slot=False), p.Received()),)), p.Sleep(1.0)),
        p.Split(p.Streamed(((2.0, "c"), (2.0, "d"), (2.0, "e")))),
        (p.Reader("tokens", leave=p.Leave("cancel", at=5.0)),),
        dropped=True,
    ),
    "two rows whose agents begin the same message: the row that fails closes its own": p.Program(
        p.Chain(
            function(
                p.Rows(
                    function(
                        p.Kept(
                            p.Asked(function(p.Reply(p.Streamed((), (2.0, "e")))), p.Received()),
                            (p.EachMessage("whole"),),
                        )
                    ),
                    ((1.0, p.Text("a")), (0.0, p.Streamed((), (0.5, "f")))),
                    concurrency=2,
                    ordered=True,
                )
            ),
            function(p.Rows(p.Identity(), ((0.0, p.Streamed(((2.0, "b"),))),), concurrency=2, ordered=True)),
        ),
        p.Listed(()),
        READ,
    ),
    "a route whose message is stopped with it lets the agent behind it go no further": p.Program(
        function(
            p.Rows(
                p.Chain(p.Route(p.Identity(), None), function(p.EachMessage("echo"), p.Raise("e"))),
                ((0.0, p.Streamed(((1.0, "a"),), ends=1.0)),),
                concurrency=2,
                ordered=False,
            )
        ),
        p.Received(),
        (p.Reader("tokens"),),
        cancelled=1.5,
        order=0,
    ),
    "a message that another agent began anew is resolved": p.Program(
        p.Backed(
            p.Typed(p.Streamed((), fails=(0.0, "e1"), ends=0.0, note=True)),
            p.Identity(),
            hold=False,
            restart=True,
        ),
        p.Text("u"),
        (p.Reader("resolve"),),
        order=1,
    ),
}


@pytest.mark.parametrize("program", FOUND.values(), ids=FOUND.keys())
def test_what_was_found_is_mended(program: p.Program) -> None:
    """A program that was found does what the model says."""
    assert [] == check(program).wrong

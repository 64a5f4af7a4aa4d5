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
}


@pytest.mark.parametrize("program", FOUND.values(), ids=FOUND.keys())
def test_what_was_found_is_mended(program: p.Program) -> None:
    """A program that was found does what the model says."""
    assert [] == check(program).wrong

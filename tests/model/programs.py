"""What a random program is: frozen data, which `model.py` understands and `build.py` makes real.

A program starts one agent with one input, and has readers. Agents are trees: the leaves are functions, whose
code is a list of steps, and every other node is an operator of the algebra. What is sent and replied is a
`Form`. All times are in seconds, and all errors are known by their text, which is unique in a program.

The `repr` of a program is Python: `python -m tests.model --only SEED` prints it, and it can be pasted.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = [
    "REPLACEMENT",
    "Agent",
    "Around",
    "Asked",
    "AwaitInput",
    "Backed",
    "Both",
    "Catching",
    "Chain",
    "Compacted",
    "EachMessage",
    "ErrorsAsMessages",
    "Failure",
    "FinishEarly",
    "Flaky",
    "Forget",
    "Fork",
    "Form",
    "Function",
    "Generated",
    "Guarded",
    "Hedge",
    "Identity",
    "Joined",
    "Kept",
    "Leave",
    "Listed",
    "Piped",
    "Program",
    "Prompt",
    "Race",
    "Raise",
    "Reader",
    "Received",
    "Reply",
    "Retry",
    "Route",
    "Rows",
    "Sleep",
    "Split",
    "Step",
    "Streamed",
    "Text",
    "Timeout",
    "Tools",
    "Typed",
    "WaitFor",
]


REPLACEMENT: Final = "No."
"""What a guard says instead."""

# -- What is sent and replied ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A finished message; a `Note` is of a class of its own, which `Route` looks at."""

    text: str
    note: bool = False


@dataclass(frozen=True)
class Streamed:
    """`Message.promise(...)`: each token after its pause; perhaps a pause and an error at the end."""

    tokens: tuple[tuple[float, str], ...]
    fails: tuple[float, str] | None = None
    ends: float = 0.0
    note: bool = False


def as_json(answer: Streamed) -> Streamed:
    """Return what a model with a type streams: JSON around the text."""
    first, *rest = answer.tokens or ((0.0, ""),)
    tokens = ((first[0], '{"text": "' + first[1]), *rest)
    if answer.fails is not None:
        return Streamed(tokens, answer.fails)
    return Streamed((*tokens, (answer.ends, '"}')))


@dataclass(frozen=True)
class Failure:
    """An exception: a message that fails in its place."""

    error: str


@dataclass(frozen=True)
class Listed:
    """A list."""

    forms: tuple["Form", ...]


@dataclass(frozen=True)
class Generated:
    """An async generator: each item after its pause; after the last one, perhaps, a pause and an error."""

    items: tuple[tuple[float, "Form"], ...]
    fails: tuple[float, str] | None = None


@dataclass(frozen=True)
class Asked:
    """`agent.inquire(form)`."""

    agent: "Agent"
    form: "Form"


@dataclass(frozen=True)
class Received:
    """`ctx.messages`; outside of a function an empty list."""


@dataclass(frozen=True)
class Joined:
    """`join_messages(form, delimiter="+")`."""

    form: "Form"


@dataclass(frozen=True)
class Split:
    """`split_messages(form, delimiter="+", code_block_delimiter=None)`."""

    form: "Form"


@dataclass(frozen=True)
class Piped:
    """`ctx.messages.messages.pipe(agent)`."""

    agent: "Agent"


Form: TypeAlias = Text | Streamed | Failure | Listed | Generated | Asked | Received | Joined | Split | Piped


# -- The steps of a function -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """`ctx.reply(form)`."""

    form: Form


@dataclass(frozen=True)
class Kept:
    """Make a promise, do other things, and reply the promise later."""

    form: Form
    meanwhile: tuple["Step", ...]


@dataclass(frozen=True)
class Sleep:
    """`await asyncio.sleep(seconds)`."""

    seconds: float


@dataclass(frozen=True)
class Raise:
    """`raise ValueError(error)`."""

    error: str


@dataclass(frozen=True)
class AwaitInput:
    """`await ctx.messages`; with `replies`, the texts of all messages are replied as one."""

    replies: bool = False


@dataclass(frozen=True)
class EachMessage:
    """`async for promise in ctx.messages`, and what is replied for each.

    `way`: `echo` replies the promise, `upper` a message that rewrites its tokens while they stream, `whole`
    awaits the message and replies its text.
    """

    way: str


@dataclass(frozen=True)
class FinishEarly:
    """`ctx.finish_early()`."""


@dataclass(frozen=True)
class WaitFor:
    """`ctx.wait_for(asyncio.sleep(seconds))`."""

    seconds: float


@dataclass(frozen=True)
class Forget:
    """`agent.inquire(form)`, which nobody reads: fire and forget."""

    agent: "Agent"
    form: Form


@dataclass(frozen=True)
class Rows:
    """`async for row in map_agent(agent, concurrency, ordered)(items): ctx.reply(row)`.

    The items come from an async generator, each after its pause.
    """

    agent: "Agent"
    items: tuple[tuple[float, "Text | Streamed"], ...]
    concurrency: int
    ordered: bool


Step: TypeAlias = (
    Reply | Kept | Sleep | Raise | AwaitInput | EachMessage | FinishEarly | WaitFor | Forget | Rows
)


# -- Agents ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """`@miniagent` on a function of these steps."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Flaky:
    """A function that runs `failing` in its first `failures` calls, and `steps` in the later ones."""

    failures: int
    failing: tuple[Step, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Identity:
    """`identity`."""


@dataclass(frozen=True)
class Chain:
    """`first | second`."""

    first: "Agent"
    second: "Agent"


@dataclass(frozen=True)
class Both:
    """`first & second`."""

    first: "Agent"
    second: "Agent"


@dataclass(frozen=True)
class Race:
    """`race(*agents)`."""

    agents: tuple["Agent", ...]


@dataclass(frozen=True)
class Hedge:
    """`first.hedge(second, after=after)`."""

    first: "Agent"
    second: "Agent"
    after: float


@dataclass(frozen=True)
class Route:
    """`route().case(Note, notes).otherwise(rest)`; without `rest` other messages are errors."""

    notes: "Agent"
    rest: "Agent | None"


@dataclass(frozen=True)
class Catching:
    """`agent.catching(...)`: the handler returns a form, or an agent, or raises an error (a text)."""

    agent: "Agent"
    handler: "Form | Agent | str"


@dataclass(frozen=True)
class Backed:
    """`agent.catching(other, hold=hold, restart=restart)`.

    `hold`: a message is shown when it is complete, or not at all. `restart`: what was shown of a message that
    fails is withdrawn, and it goes on with the first reply of the other agent.
    """

    agent: "Agent"
    other: "Agent"
    hold: bool
    restart: bool = False


@dataclass(frozen=True)
class Guarded:
    """`agent.guard(during=..., hold=hold)`: `hold` characters wait.

    `trips`: a letter that must not be said; with None the check finds nothing. `replaces`: whether another
    text takes the place of the message.
    """

    agent: "Agent"
    hold: int
    trips: str | None = None
    replaces: bool = False


@dataclass(frozen=True)
class Compacted:
    """`compact(keep=1, by=by)`, a new one; `short`: everything but the last message becomes a summary."""

    by: "Agent"
    short: bool


@dataclass(frozen=True)
class Retry:
    """`agent.retry(RetryPolicy(attempts=attempts, delay=delay, jitter=0.0, factor=1.0))`."""

    agent: "Agent"
    attempts: int
    delay: float


@dataclass(frozen=True)
class Timeout:
    """`agent.timeout(...)`."""

    agent: "Agent"
    first_token: float | None = None
    stall: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class Around:
    """`agent.around(...)`.

    `way`: `pass` replies the call, `watch` replies it and awaits it, `twice` calls twice, `not` replies a
    text without a call.
    """

    agent: "Agent"
    way: str


@dataclass(frozen=True)
class ErrorsAsMessages:
    """`agent.errors_as_messages()`."""

    agent: "Agent"


@dataclass(frozen=True)
class Fork:
    """`agent.fork()`."""

    agent: "Agent"


@dataclass(frozen=True)
class Prompt:
    """`prompt("before {text} after")`, or with `slot=False` `prompt("before")`."""

    slot: bool


@dataclass(frozen=True)
class Typed:
    """`model.as_type(Answer)`: the model awaits its input, and streams a JSON object that has the text."""

    answer: Streamed


@dataclass(frozen=True)
class Tools:
    """`model.with_tools(wait)`: the model calls tools, perhaps in some turns, and then streams an answer.

    `turns`: of each turn the calls; of each call the seconds that it takes. `guards`: those of
    the model.
    """

    turns: tuple[tuple[float, ...], ...]
    answer: Streamed
    guards: tuple[Guarded, ...] = ()


Agent: TypeAlias = (
    Function
    | Flaky
    | Identity
    | Chain
    | Both
    | Race
    | Hedge
    | Route
    | Catching
    | Backed
    | Guarded
    | Compacted
    | Retry
    | Timeout
    | Around
    | ErrorsAsMessages
    | Fork
    | Prompt
    | Typed
    | Tools
)


# -- Readers ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leave:
    """How a reader leaves before the end.

    `way`: `break` leaves after `count` tokens; `cancel` cancels its task at `at`; `wait_for` is
    `asyncio.wait_for` with the time limit `at`, and `timeout` is `asyncio.timeout`.
    """

    way: str
    count: int = 0
    at: float = 0.0


IN_PIPES: Final = frozenset({"pipe tokens", "resolve"})
"""The ways to read with operators of reactivex."""


@dataclass(frozen=True)
class Reader:
    """Reads the replies.

    `way`: `await` all, `iterate` messages and their tokens, iterate `tokens`, `subscribe` to the messages,
    `subscribe tokens`, or read the tokens of the `first` message and hold nothing else. Also `await tokens`,
    `parts` (the texts among them), `pipe tokens` with an operator of reactivex, and `resolve` in a pipe.

    `begins`: seconds after the start of the program. `slow`: seconds that it takes for each token.
    `outside`: it is a task in which no context is active.
    """

    way: str
    begins: float = 0.0
    slow: float = 0.0
    leave: Leave | None = None
    outside: bool = False


@dataclass(frozen=True)
class Program:
    """One inquiry, its readers, and how it ends.

    `flow`: the program is about demand: `prefetch` is small, sources are long, readers are slow or leave.
    Sources are paused, so the model does not know when something happens, but everything else.
    `input_readers` then read what the agent is sent, if that is another agent's replies.

    `cancelled`: when `replies.cancel()` is called. `dropped`: whether the program drops the promise when its
    readers have begun; otherwise it holds it until they have ended. `ends`: when its context is left by an
    exception. `drain`: its context ends normally, and waits so long for what is left (`drain_timeout`).
    `block`: it is cancelled by the end of `async with replies:`, and what ends its context is a time limit.
    """

    agent: Agent
    form: Form
    readers: tuple[Reader, ...]
    cancelled: float | None = None
    dropped: bool = False
    ends: float | None = None
    drain: float | None = None
    prefetch: int = 1_024
    order: int = 0
    input_readers: tuple[Reader, ...] = ()
    flow: bool = False
    block: bool = False

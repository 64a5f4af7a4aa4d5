"""What a model is asked: gathered and checked before a provider makes a request of it."""

from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from miniagents import AssistantMessage, InteractionContext, LLMConfigError, Message, MiniAgents, miniagent
from miniagents.ext.llm import Conversation, Provider
from miniagents.ext.llm._conversation import Turn
from miniagents.ext.llm._options import ModelOptions
from miniagents.ext.llm._question import Connection, Question, prepared
from miniagents.ext.llm._timeouts import Timeouts
from miniagents.ext.llm.openai import _WIRE as CHAT_WIRE

ACME = Provider("acme", "https://api.acme.test", ("acme.test",))
OPTIONS = ModelOptions(model="m-1", system="Be brief.", total_timeout=30, extra={"seed": 7})
CONNECTION = Connection("a client", "http://me:pass@localhost:8000/v1", 2, (SecretStr("a key"),))


def connect(options: ModelOptions) -> Connection:
    """A client of any options."""
    assert options.model is not None
    return CONNECTION


async def question(options: ModelOptions, reserved: Mapping[str, str] | None = None) -> Question:
    """What an agent with these keywords is going to ask when it is told "Hi"."""
    asked: list[Question] = []

    @miniagent
    async def acme_agent(ctx: InteractionContext[Message, AssistantMessage]) -> None:
        asked.append(await prepared(ctx, options, ACME, reserved or {}, connect))

    async with MiniAgents():
        await acme_agent.inquire("Hi")
    return asked[0]


async def test_what_is_asked() -> None:
    """Messages, keywords and client become one question."""
    asked = await question(OPTIONS)
    assert asked.conversation == Conversation("Be brief.", (Turn("user", ("Hi",)),))
    assert (asked.model, asked.connection) == ("m-1", CONNECTION)
    assert asked.extras.body == {"seed": 7}
    assert asked.timeouts == Timeouts(total=30)


@pytest.mark.parametrize(("given", "expected"), [(None, 2), (0, 0), (5, 5)])
async def test_the_call(given: int | None, expected: int) -> None:
    """The call knows the server without credentials, the secrets, and how often it may ask again."""
    asked = await question(ModelOptions(model="m-1", max_retries=given))
    call = asked.call(CHAT_WIRE, "/chat", {}, needs_finish=False)
    assert (call.model, call.server, call.prompt) == ("m-1", "localhost:8000", "\nHi")
    assert (call.secrets, call.max_retries, call.needs_finish) == (CONNECTION.secrets, expected, False)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (ModelOptions(), r"give model=\.\.\., or set ACME_MODEL"),
        (ModelOptions(model="m-1", temperature=3), "^temperature=3"),
        (ModelOptions(model="m-1", stall_timeout=0), "^stall_timeout=0"),
        (ModelOptions(model="m-1", extra={"n": 2}), "'n' cannot be given through extra; ask again"),
    ],
)
async def test_refused(options: ModelOptions, sentence: str) -> None:
    """Keywords that make no sense are refused before a client is looked for."""
    with pytest.raises(LLMConfigError, match=sentence):
        await question(options, {"n": "ask again"})

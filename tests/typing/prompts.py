"""`prompt`: open keywords that are checked when it runs, or those of a function that checkers know."""

from typing import assert_type

from openai.types.chat import ChatCompletionMessageParam

from miniagents import (
    Image,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    SystemMessage,
    identity,
    prompt,
)
from miniagents.agents import Prompt
from miniagents.testing import scripted_model


def a_prompt_is_an_agent_with_open_keywords() -> None:
    agent = prompt("Summarise in {language}: {text}")
    assert_type(agent, Prompt[...])
    assert_type(agent.inquire("a", language="French"), MessageSequencePromise[Message])
    assert_type(agent.fork(language="French"), Prompt[...])
    assert_type(agent.bind(language="French"), MiniAgent)
    assert_type(agent | identity, MiniAgent[Message, Message])
    scripted_model("b").inquire(agent.inquire("a"))


def what_may_fill_a_slot(one: MessagePromise[Message], many: MessageSequencePromise[Message]) -> None:
    prompt("{a}{b}", a=1, b=0.5)
    prompt("{a}{b}", a="text", b=one)
    prompt("{a}{b}", a=many, b=["text", one])
    prompt("{a}", a=object())  # type: ignore[arg-type]
    prompt("{a}", a=b"bytes")  # type: ignore[arg-type]


def what_a_prompt_is_made_of() -> None:
    prompt(SystemMessage("Be {tone}."), "{text}")
    prompt({"role": "system", "content": "Be {tone}."}, {"role": "user", "content": "{text}"})
    prompt([{"role": "system", "content": "Be {tone}."}, "{text}"])
    prompt(1)  # type: ignore[arg-type]
    prompt(Image(path="cat.png"))  # type: ignore[arg-type]


@prompt("Summarise in {language}, {words} words at most: {text}").typed
def summarise(language: str, words: int = 100) -> None: ...


def a_typed_prompt_has_the_keywords_of_its_function() -> None:
    assert_type(summarise.inquire("a", language="French"), MessageSequencePromise[Message])
    assert_type(summarise.bind("French", words=5), MiniAgent)
    assert_type(summarise.bind("French", words=5) | identity, MiniAgent[Message, Message])
    summarise.fork(language="French").inquire("a", language="German")
    summarise.inquire("a", langauge="French")  # type: ignore[call-overload]
    summarise.inquire("a", language="French", words="few")  # type: ignore[call-overload]
    summarise.inquire("a")  # type: ignore[call-overload]
    summarise.fork(text="a")  # type: ignore[call-arg]
    summarise | identity  # type: ignore[operator]


def messages_as_dicts(theirs: list[ChatCompletionMessageParam]) -> None:
    said = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert_type(identity.inquire(said), MessageSequencePromise[Message])
    identity.inquire([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])
    identity.inquire({"role": "user", "content": "hi"})
    identity.inquire(theirs)
    identity.inquire({1: "user"})  # type: ignore[dict-item]
    identity.inquire([{1: "user"}])  # type: ignore[list-item]
    identity.inquire([1])  # type: ignore[list-item]

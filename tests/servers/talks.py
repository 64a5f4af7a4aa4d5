"""Conversations with a server: by an agent, in pieces and whole, by the SDK, and by `miniagents chat`."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from anthropic import AsyncAnthropic
from anthropic.types import MessageParam
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import ResponseInputParam

from miniagents import AssistantMessage, Message, MiniAgents, ModelAgent, UserMessage
from miniagents.ext.llm.anthropic import anthropic_agent
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.llm.openai_responses import openai_responses_agent

__all__ = ["APIS", "KEY", "PROGRAM", "Api", "chat_program", "talk"]

QUESTIONS: Final = ("Hello!", "What does the owl see?", "And then, \N{OWL}?")
MOST_TOKENS: Final = 16
KEY: Final = "sk-of-servers-in-tests"  # LiteLLM's proxy asks for one
Said = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Api:
    """One way to ask.

    Attributes:
        agent: ours.
        path: what its base URL ends with.
        by_sdk: what the SDK says to a conversation, as a whole.
    """

    agent: ModelAgent[...]
    path: str
    by_sdk: Callable[[str, str, Said], Awaitable[str]]


async def _chat(url: str, model: str, said: Said) -> str:
    async with AsyncOpenAI(api_key=KEY, base_url=url) as client:
        answer = await client.chat.completions.create(
            model=model,
            messages=cast("list[ChatCompletionMessageParam]", said),
            max_tokens=MOST_TOKENS,
            temperature=0,
            stream=False,  # not every server streams only if it is asked to
        )
    return answer.choices[0].message.content or ""


async def _responses(url: str, model: str, said: Said) -> str:
    async with AsyncOpenAI(api_key=KEY, base_url=url) as client:
        answer = await client.responses.create(
            model=model,
            input=cast("ResponseInputParam", [{"type": "message", **each} for each in said]),
            max_output_tokens=MOST_TOKENS,
            temperature=0,
            stream=False,  # not every server streams only if it is asked to
        )
    return answer.output_text


async def _messages(url: str, model: str, said: Said) -> str:
    async with AsyncAnthropic(api_key=KEY, base_url=url) as client:
        answer = await client.messages.create(
            model=model,
            messages=cast("list[MessageParam]", said),
            max_tokens=MOST_TOKENS,
            extra_body={"temperature": 0},
        )
    return "".join(block.text for block in answer.content if block.type == "text")


APIS: Final = {
    "chat": Api(openai_agent, "/v1", _chat),
    "responses": Api(openai_responses_agent, "/v1", _responses),
    "messages": Api(anthropic_agent, "", _messages),
}

PROGRAM: Final = {"chat": "openai", "responses": "openai-responses", "messages": "anthropic"}
"""What `miniagents chat --model` calls them."""


async def talk(api: Api, url: str, model: str) -> list[str]:
    """Ask several questions, each in three ways, and return the conversation.

    Args:
        api: how to ask.
        url: of the server.
        model: its name there.

    Raises:
        AssertionError: the answers of the three are not the same, or are none, or none came in pieces.
    """
    base = url + api.path
    agent = api.agent.fork(
        model=model, base_url=base, api_key=KEY, max_tokens=MOST_TOKENS, temperature=0.0, max_retries=0
    )
    said: list[Message] = []
    told: list[str] = []
    pieces: list[int] = []
    async with MiniAgents():
        for question in QUESTIONS:
            said.append(UserMessage(question))
            tokens, streamed = await _streamed(agent, said)
            (whole,) = await agent.inquire(said, stream=False)
            plain = [{"role": each.role, "content": each.text or ""} for each in said]
            by_sdk = await api.by_sdk(base, model, plain)
            assert streamed.text, f"{question!r} was answered with nothing"
            pieces.append(len(tokens))
            assert "".join(tokens) == streamed.text == whole.text == by_sdk, (tokens, whole.text, by_sdk)
            assert streamed.finish_reason == whole.finish_reason, (streamed, whole)
            assert _counted(streamed) == _counted(whole)
            told += [f"> {question}", streamed.text]
            said.append(streamed)
    assert max(pieces) > 1, "no answer came in pieces"
    return told


def _counted(message: AssistantMessage) -> tuple[int, int]:
    """The tokens of the question and of the answer; how they are broken down differs when they stream."""
    usage = message.usage
    assert usage is not None, "no tokens were counted"
    assert usage.input_tokens, usage
    assert usage.output_tokens, usage
    return usage.input_tokens, usage.output_tokens


async def _streamed(agent: ModelAgent[...], said: list[Message]) -> tuple[list[str], AssistantMessage]:
    """The pieces of an answer, and the answer."""
    async for promise in agent.inquire(said):
        return [str(token) async for token in promise], await promise
    raise AssertionError("there was no answer")


def chat_program(model: str, url: str) -> str:
    """Talk through `miniagents chat` for some turns, and return what it showed.

    Args:
        model: with its provider, "openai:tiny".
        url: the base URL of the API.

    Raises:
        AssertionError: it did not answer every question, or complained.
    """
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "miniagents", "chat", "--no-history", "--model", model, "--base-url", url],
        input="\n".join(QUESTIONS) + "\n",
        env={**os.environ, "OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    label = f"{model.partition(':')[2]}: "
    answers = [line for line in done.stdout.splitlines() if line.startswith(label) and line.strip() != label]
    assert len(answers) == len(QUESTIONS), shown
    return shown

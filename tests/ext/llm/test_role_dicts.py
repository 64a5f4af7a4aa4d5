"""Crosses modules: what the SDKs of providers return and take, given to our agents as it is."""

from anthropic.types import Message as AnthropicMessage
from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageParam

from miniagents import MessageSequencePromise, MiniAgents
from miniagents.ext.llm._conversation import Conversation, Turn
from miniagents.types import MessageType
from miniagents.values import Reasoning, ToolCall, ToolResult


async def _turns(given: MessageType) -> tuple[Turn, ...]:
    async with MiniAgents():
        return Conversation.of(await MessageSequencePromise(given)).turns


async def test_a_conversation_of_openai() -> None:
    """Their dicts, and the answer of their client between them, are the conversation that they say."""
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    answer = ChatCompletionMessage.model_validate(
        {"role": "assistant", "content": None, "tool_calls": [call]}
    )
    asked: list[ChatCompletionMessageParam | ChatCompletionMessage] = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "1 + 1?"}]},
        answer,
        {"role": "tool", "tool_call_id": "1", "content": "2"},
    ]
    assert (
        Turn("user", ("1 + 1?",)),
        Turn("assistant", (ToolCall("1", "add", "{}"),)),
        Turn("tool", (ToolResult("1", "2"),)),
    ) == await _turns(asked)


async def test_a_conversation_of_anthropic() -> None:
    """The same of theirs; results of tools among what a user says are a turn of their own."""
    answer = AnthropicMessage.model_validate(
        {
            "id": "msg-1",
            "type": "message",
            "role": "assistant",
            "model": "m-1",
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1},
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                {"type": "tool_use", "id": "1", "name": "add", "input": {"a": 1}},
            ],
        }
    )
    result = {"type": "tool_result", "tool_use_id": "1", "content": "2"}
    said = {"role": "user", "content": [result, {"type": "text", "text": "Thanks."}]}
    assert (
        Turn("user", ("1 + 1?",)),
        Turn("assistant", (Reasoning("Hm.", "s"), ToolCall("1", "add", '{"a": 1}'))),
        Turn("tool", (ToolResult("1", "2"),)),
        Turn("user", ("Thanks.",)),
    ) == await _turns([{"role": "user", "content": "1 + 1?"}, answer, said])

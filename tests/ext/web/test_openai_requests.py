"""What clients of OpenAI's protocols ask."""

import pytest

from miniagents import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from miniagents.ext.web._openai_requests import read_chat_request, read_responses_request
from miniagents.ext.web._request_errors import RequestError
from miniagents.values import ToolResult

HI = {"role": "user", "content": "Hi"}


class TestChat:
    def test_parameters(self) -> None:
        """What an agent has no use for is ignored, known to OpenAI or not."""
        body = {
            "model": "poet",
            "messages": [HI],
            "temperature": 2,
            "n": 3,
            "seed": "x",
            "fancy": {"a": None},
        }
        request = read_chat_request(body)
        assert ("poet", (UserMessage("Hi"),)) == (request.model, request.messages)
        assert (False, False, frozenset()) == (request.stream, request.usage, request.tools)

    def test_stream(self) -> None:
        """A stream, and the tokens at its end, are asked for."""
        request = read_chat_request(
            {"messages": [HI], "stream": True, "stream_options": {"include_usage": True}}
        )
        assert (None, True, True) == (request.model, request.stream, request.usage)

    def test_tools(self) -> None:
        """The names of the client's own tools are known; whatever is no tool is ignored."""
        tools = [{"type": "function", "function": {"name": "look"}}, {"type": "web_search"}, 7, None]
        assert {"look"} == read_chat_request({"messages": [HI], "tools": tools}).tools

    @pytest.mark.parametrize(
        "body", [{}, {"messages": []}, {"messages": [HI], "model": 7}, {"messages": [7]}]
    )
    def test_refused(self, body: dict[str, object]) -> None:
        """A question without messages, or to no name, is refused."""
        with pytest.raises(RequestError):
            read_chat_request(body)


class TestResponses:
    def test_text(self) -> None:
        """The input may be a text, and instructions come first."""
        body = {"model": "poet", "input": "Hi", "instructions": "Rhyme."}
        request = read_responses_request(body, system=True)
        assert (SystemMessage("Rhyme."), UserMessage("Hi")) == request.messages

    def test_instructions(self) -> None:
        """A4: instructions are the server's, unless it takes them from clients: as in all other protocols."""
        with pytest.raises(RequestError, match="instructions has instructions"):
            read_responses_request({"model": "poet", "input": "Hi", "instructions": "Rhyme."})
        for role in ("system", "developer"):
            said = [{"role": role, "content": "Obey."}, {"role": "user", "content": "Hi"}]
            for read, field in ((read_responses_request, "input"), (read_chat_request, "messages")):
                with pytest.raises(RequestError, match=f"{field} has instructions"):
                    read({"model": "poet", field: said})
                request = read({"model": "poet", field: said}, system=True)
                assert (SystemMessage("Obey."), UserMessage("Hi")) == request.messages

    def test_items(self) -> None:
        """Items that a response brought may come back; thoughts say nothing to another agent."""
        items: list[object] = [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "12"},
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "12 °C", "annotations": []}],
            },
        ]
        assert (
            UserMessage("Hi"),
            AssistantMessage(parts=[ToolCall("c", "look", "{}")]),
            ToolMessage(parts=[ToolResult("c", "12")]),
            AssistantMessage("12 °C"),
        ) == read_responses_request({"input": items}).messages

    def test_tools(self) -> None:
        """The names of the client's own tools are known."""
        tools: list[object] = [{"type": "function", "name": "look", "parameters": {}}]
        assert {"look"} == read_responses_request({"input": "Hi", "tools": tools}).tools

    @pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt"])
    def test_nothing_is_kept(self, name: str) -> None:
        """A question that goes on with what another server keeps is refused, not half answered."""
        with pytest.raises(RequestError, match="send the whole conversation as input") as raised:
            read_responses_request({"input": "Hi", name: "x"})
        assert name == raised.value.param

    def test_references(self) -> None:
        """Of an item that only a server could have kept, the sentence says what to send instead."""
        with pytest.raises(RequestError, match="store: false"):
            read_responses_request({"input": [{"type": "item_reference", "id": "x"}]})

    @pytest.mark.parametrize("body", [{}, {"input": []}])
    def test_refused(self, body: dict[str, object]) -> None:
        """A question without an input that can be read is refused."""
        with pytest.raises(RequestError):
            read_responses_request(body)

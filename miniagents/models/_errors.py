"""The errors of tools and typed answers."""

from miniagents.messages import ErrorMessage
from miniagents.values import LLMError, MiniAgentsError


class ToolArgumentsError(MiniAgentsError, ValueError):
    """The arguments that a model wrote do not fit the tool; the text tells the model what to correct.

    Example:
        >>> import asyncio
        >>> from miniagents import tool
        >>> @tool
        ... def double(number: int) -> int:
        ...     return 2 * number
        >>> try:
        ...     asyncio.run(double.invoke('{"number": "many"}'))
        ... except ToolArgumentsError as error:
        ...     print(error)
        number: Input should be a valid integer, unable to parse string as an integer
    """


class MaxTurnsError(LLMError):
    """A model has called tools in all its turns, also in the last one; the replies until then can be read.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, ToolCall, tool
        >>> from miniagents.testing import scripted_model
        >>> @tool
        ... def now() -> str:
        ...     return "noon"
        >>> model = scripted_model(then=AssistantMessage(parts=[ToolCall("1", "now")]))
        >>> async def main():
        ...     await model.with_tools(now, max_turns=2).inquire("What time is it?")
        >>> try:
        ...     MiniAgents().run(main())
        ... except MaxTurnsError as error:
        ...     print(str(error).partition(";")[0])
        SCRIPTED_MODEL still calls tools in turn 2, its last one
    """


class SchemaError(MiniAgentsError, TypeError):
    """A model cannot be given this: a function as a tool, several tools together, a class as an answer.

    It is raised before any network call; the text says what to do. A class also gets it for a field that it
    lacks.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> try:
        ...     scripted_model().as_type(int)
        ... except SchemaError as error:
        ...     print(error)
        <class 'int'> is not a pydantic model; give a subclass of BaseModel as the type of the answer.
    """


class TypedAnswerError(LLMError):
    """The answer of a model does not fit the requested type, even after all repairs.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> from pydantic import BaseModel
        >>> class City(BaseModel):
        ...     name: str
        >>> async def main():
        ...     await scripted_model('{"name": 1}').as_type(City, repairs=0).inquire("Which city?")
        >>> try:
        ...     MiniAgents().run(main())
        ... except TypedAnswerError as error:
        ...     print(error)
        the answer is no City after 0 repairs: name: Input should be a valid string
    """


def no_answer(message: ErrorMessage) -> TypedAnswerError:
    """Return the error of an answer in whose place an error message has come.

    Args:
        message: in the place of the answer.

    Example:
        >>> from miniagents import ErrorMessage
        >>> no_answer(ErrorMessage("ValueError: cut", error_type="ValueError", error_text="cut"))
        TypedAnswerError('there is no answer: ValueError: cut')
    """
    return TypedAnswerError(f"there is no answer: {message}")

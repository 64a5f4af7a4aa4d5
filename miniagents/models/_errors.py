"""The errors around tools."""

from miniagents.values import MiniAgentsError

__all__ = ["ToolArgumentsError", "ToolDefinitionError"]


class ToolDefinitionError(MiniAgentsError, TypeError):
    """A function cannot be a tool, or tools cannot be given together; raised before any network call.

    Example:
        >>> from miniagents import tool
        >>> try:
        ...     tool(print)
        ... except ToolDefinitionError as error:
        ...     print(str(error).partition(";")[0])
        The tool print cannot be called by a model: *args stands for any number of arguments
    """


class ToolArgumentsError(MiniAgentsError, ValueError):
    """What a model wrote as arguments does not fit the tool; the text tells the model what to correct.

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

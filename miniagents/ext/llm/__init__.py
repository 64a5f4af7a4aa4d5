"""Language models as agents: one provider, one file.

`openai.py`, `openai_responses.py` and `anthropic.py` need their SDKs (``pip install 'miniagents[openai]'``),
so their agents are imported from them. This public module has what the providers share.

A third provider is a third file; ``examples/third_provider.py`` is one, in less than 80 lines. It has five
parts:

1. `Provider`: the name (its environment variables are `NAME_MODEL`, `NAME_API_KEY`, `NAME_BASE_URL`), and its
   address.
2. *encode*: a pure function from a `Conversation` and the keywords to a request. `Conversation.of`
   collects the system texts and removes empty messages; `conversation.loaded()` reads images and files
   from their paths.
3. *decode*: a pure function from one `ServerEvent` to parts: text as `str`, the other parts of `miniagents`,
   and `Identity`, `Count` and `Progress`. `parsed` checks the JSON against a typed model, and raises a
   `WireError` if it does not fit the protocol. `event.error` is the error in an event, and decode raises
   it. `Finish` comes only from the end marker: a stream without one is an `LLMTruncatedError`.
4. `Wire`: the meaning of the exceptions of the SDK (`SDKErrors`), the decoders, and the name of the header
   with the id of the request.
5. The agent: `@miniagent`, the keywords, the client that the user gives, else one of yours,
   one line that calls the network (the SDK's ``with_streaming_response``), and
   ``reply_with(ctx, ModelCall(...))``. With `@model_agent` and the keywords `tools`, `tool_choice` and
   `answer_schema`, which `Wanted.of` checks, it has `with_tools` and `as_type` too.

The rest is shared: the event stream, timeouts, retries, errors with the reason of the server, truncation,
limits of size, `ResponseHeaders` (the first of the parts), metadata, and closing the connection.

A limiter, a budget, a cache or a log is not a part of a provider: every agent has the method
``around(function)``, which calls the function for each call of the agent. The function finds
`ResponseHeaders`, `Retry` and `Usage` among the parts of the reply, and `retry_after` in an `LLMError`.

A model that needs none of this can be simpler: an agent that replies
``AssistantMessage.promise(token_streamer)``.
"""

from ._answer import Count, Identity, Progress
from ._call import ModelCall, Wire, reply_with
from ._conversation import Conversation
from ._errors import SDKErrors
from ._json import WireError, parsed
from ._options import ModelOptions, Wanted
from ._settings import Provider
from ._sse import ServerEvent

__all__ = [
    "Conversation",
    "Count",
    "Identity",
    "ModelCall",
    "ModelOptions",
    "Progress",
    "Provider",
    "SDKErrors",
    "ServerEvent",
    "Wanted",
    "Wire",
    "WireError",
    "parsed",
    "reply_with",
]

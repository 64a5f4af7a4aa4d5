"""Language models as agents: one provider, one file.

`openai.py`, `openai_responses.py` and `anthropic.py` need their SDKs (``pip install 'miniagents[openai]'``),
so import from them; this door holds what they share.

A third provider is a third file; ``examples/third_provider.py`` is one, in less than 80 lines. It is these
five things:

1. `Provider`: the name (its settings are `NAME_MODEL`, `NAME_API_KEY`, `NAME_BASE_URL`), and its address.
2. *encode*: pure; from a `Conversation` and the keywords to a request. `conversation_of` gathers the system
   texts and leaves out what nobody said; `loaded` reads images and files that stand at paths; `joined_turns`
   makes roles alternate, if the provider wants that.
3. *decode*: pure; from one `ServerEvent` to parts: text as `str`, the other parts of `miniagents`, and
   `Identity`, `Count` and `Progress`. `parsed` checks the JSON against a typed model and raises a `WireError`
   for what is not the protocol; `error_of` finds errors that stand among the events, which are raised.
   `Finish` comes only from the terminal marker: a stream without one is an `LLMTruncatedError`.
4. `Wire`: which of the SDK's exceptions means what (`SDKErrors`), the decoders, the header with the request's
   id.
5. The agent: `@miniagent`, the keywords, `own_client` for the client that a user gives, else `shared_client`,
   one line that calls the network (the SDK's ``with_streaming_response``), and
   ``reply_with(ctx, ModelCall(...))``. With `@model_agent` and the keywords `tools`, `tool_choice` and
   `answer_schema`, which `Wanted.of` checks, it has `with_tools` and `as_type` too.

Then the event stream, timeouts, retries, errors, truncation, size caps, metadata and letting go of the
connection are there.

A model that needs none of this is even less: an agent that replies
``AssistantMessage.promise(token_streamer)``.
"""

from ._answer import Count, Decode, Decoded, Identity, Progress
from ._call import ModelCall, Wire, reply_with
from ._conversation import (
    Conversation,
    Role,
    Turn,
    conversation_of,
    data_url,
    encoded,
    joined_turns,
    loaded,
    name_of,
)
from ._errors import SDKErrors
from ._json import ProviderError, WireError, integer_at, look, parsed, plain, untyped
from ._options import Extras, ModelOptions, Wanted, beside, check_numbers
from ._settings import Endpoint, Provider, server_of
from ._sse import STRAY, ServerEvent, SSEDecoder, error_of
from ._timeouts import Timeouts
from ._transport import NO_KEY, HTTPResponse, Response, no_certificates, own_client, shared_client

__all__ = [
    "NO_KEY",
    "STRAY",
    "Conversation",
    "Count",
    "Decode",
    "Decoded",
    "Endpoint",
    "Extras",
    "HTTPResponse",
    "Identity",
    "ModelCall",
    "ModelOptions",
    "Progress",
    "Provider",
    "ProviderError",
    "Response",
    "Role",
    "SDKErrors",
    "SSEDecoder",
    "ServerEvent",
    "Timeouts",
    "Turn",
    "Wanted",
    "Wire",
    "WireError",
    "beside",
    "check_numbers",
    "conversation_of",
    "data_url",
    "encoded",
    "error_of",
    "integer_at",
    "joined_turns",
    "loaded",
    "look",
    "name_of",
    "no_certificates",
    "own_client",
    "parsed",
    "plain",
    "reply_with",
    "server_of",
    "shared_client",
    "untyped",
]

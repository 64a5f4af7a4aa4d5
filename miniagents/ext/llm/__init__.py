"""Language models as agents: one provider, one file.

`openai.py` and `anthropic.py` need their SDKs (``pip install 'miniagents[openai]'``), so import from them;
this door holds what they share.

A third provider is a third file. It is these five things, and `openai.py` is the model to look at:

1. `Provider`: the name (its settings are `NAME_MODEL`, `NAME_API_KEY`, `NAME_BASE_URL`), and its address.
2. *encode*: pure; from a `Conversation` and the keywords to what the SDK's call takes. `conversation_of`
   gathers the system texts and leaves out what nobody said; `joined_turns` makes roles alternate, if the
   provider wants that.
3. *decode*: pure; from one event to parts: text as `str`, else `Identity`, `Refusal`, `Progress`, `Usage`,
   `Finish`. It takes nothing for granted: `look`, `record`, `text_at` and `items_at` raise a `WireError` for
   what is not the protocol, and a `ProviderError` is raised for an error that stands among the events.
   `Finish` comes only from the terminal marker: a stream without one is an `LLMTruncatedError`.
4. `Wire`: which of the SDK's exceptions means what (`SDKErrors`), the decoders, the header with the request's
   id.
5. The agent: `@miniagent`, the keywords, `ClientRoom.of(PromisingContext.current()).get(...)` for the client,
   one line that calls the network, and ``reply_with(ctx, ModelCall(...))``.

Then timeouts, retries, errors, truncation, metadata and letting go of the connection are there.

A model that needs none of this is even less: an agent that replies
``AssistantMessage.promise(token_streamer)``.
"""

from ._answer import ModelCall, Wire
from ._clients import NO_KEY, ClientRoom, no_certificates
from ._conversation import Conversation, Role, Turn, conversation_of, joined_turns
from ._faults import SDKErrors
from ._look import ProviderError, WireError, integer_at, items_at, look, record, text_at
from ._parts import Decode, Finish, Identity, Part, Progress, Refusal, Usage
from ._reply import reply_with
from ._settings import Endpoint, Extras, Provider, check_numbers, server_of
from ._timeouts import Timeouts

__all__ = [
    "NO_KEY",
    "ClientRoom",
    "Conversation",
    "Decode",
    "Endpoint",
    "Extras",
    "Finish",
    "Identity",
    "ModelCall",
    "Part",
    "Progress",
    "Provider",
    "ProviderError",
    "Refusal",
    "Role",
    "SDKErrors",
    "Timeouts",
    "Turn",
    "Usage",
    "Wire",
    "WireError",
    "check_numbers",
    "conversation_of",
    "integer_at",
    "items_at",
    "joined_turns",
    "look",
    "no_certificates",
    "record",
    "reply_with",
    "server_of",
    "text_at",
]

"""The errors of language model agents: each knows who failed, how, and what had arrived before."""

from typing_extensions import override

from ._errors import MiniAgentsError
from ._redact import redact_keys


class LLMError(MiniAgentsError):
    """A language model did not answer as it should.

    The error holds plain data only, so it can be pickled, copied and logged; the exception of the SDK is at
    most its `__cause__`. Its text never contains a key: what looks like one is replaced by ``[redacted]``.

    Args:
        message: The sentence: what was wrong, where, what to do.
        provider: The provider's name, for example ``"openai"``.
        model: The model that was asked.
        status: The HTTP status, if there was a response.
        request_id: The provider's id of the request.
        attempts: How many times the request was sent.
        partial_text: The text that had arrived before the error.

    Example:
        >>> error = LLMError("the stream ended early", provider="openai", partial_text="Hel")
        >>> (str(error), error.partial_text, error.attempts)
        ('the stream ended early', 'Hel', 1)
    """

    provider: str | None
    model: str | None
    status: int | None
    request_id: str | None
    attempts: int
    partial_text: str

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        model: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        attempts: int = 1,
        partial_text: str = "",
    ) -> None:
        # Only the redacted sentence is kept, also in `args`: pickles and tracebacks show that one.
        super().__init__(redact_keys(message))
        self.provider = provider
        self.model = model
        self.status = status
        self.request_id = request_id
        self.attempts = attempts
        self.partial_text = partial_text

    @override
    def __str__(self) -> str:
        return super().__str__() or "the language model did not answer as it should"


class LLMStatusError(LLMError):
    """The provider answered with an error: an HTTP status, or an error event in the stream.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model(LLMStatusError("too many requests", status=429, attempts=3))
        >>> async def main():
        ...     try:
        ...         await model.inquire("Hi")
        ...     except LLMStatusError as error:
        ...         print(error.status, "after", error.attempts, "attempts")
        >>> MiniAgents().run(main())
        429 after 3 attempts
    """


class LLMTimeoutError(LLMError, TimeoutError):
    """No first token, no progress, or no end came within the time that was set.

    Example:
        >>> error = LLMTimeoutError("no progress for 30 s after 3 characters", partial_text="Hel")
        >>> isinstance(error, TimeoutError), error.partial_text
        (True, 'Hel')
    """


class LLMConnectionError(LLMError, ConnectionError):
    """The connection could not be made, or broke in the middle of the answer.

    Example:
        >>> error = LLMConnectionError("api.openai.com cannot be reached", provider="openai")
        >>> isinstance(error, ConnectionError), error.provider
        (True, 'openai')
    """


class LLMTruncatedError(LLMError):
    """The stream ended without its terminal marker: a part of the answer is missing.

    Example:
        >>> from miniagents import MiniAgents, partial_text
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model(["The wind", " blo", LLMTruncatedError("the stream ended early")])
        >>> async def main():
        ...     try:
        ...         await model.inquire("The weather, please.")
        ...     except LLMTruncatedError as error:
        ...         print(error, "after", repr(partial_text(error)))
        >>> MiniAgents().run(main())
        the stream ended early after 'The wind blo'
    """


class LLMProtocolError(LLMError):
    """The provider sent something that is not its own protocol.

    Example:
        >>> str(LLMProtocolError("a chunk of llama-7b has no choices; is it a server of Chat Completions?"))
        'a chunk of llama-7b has no choices; is it a server of Chat Completions?'
    """


class LLMRefusalError(LLMError):
    """The model refused to answer, or a content filter stopped it, and the caller asked for an error then.

    Example:
        >>> LLMRefusalError("refused", model="m-1", partial_text="I cannot").partial_text
        'I cannot'
    """


class LLMConfigError(LLMError):
    """A key or model is missing, or a keyword is wrong; raised before any network call.

    Example:
        >>> from miniagents.ext.llm import Provider
        >>> Provider("acme", "https://api.acme.example", ("acme.example",)).model(None)
        Traceback (most recent call last):
            ...
        miniagents...LLMConfigError: no model is chosen for acme_agent; give model=..., or set ACME_MODEL ...
    """

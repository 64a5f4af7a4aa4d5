"""What tokens cost, by a list of prices that is used offline: ``pip install 'miniagents[prices]'``."""

from decimal import Decimal
from importlib import import_module
from typing import Protocol, cast

from miniagents.values import Usage

__all__ = ["dollars"]


class _Calculation(Protocol):
    total_price: Decimal


class _Prices(Protocol):
    """What is used of ``genai_prices``."""

    def Usage(self, **counts: int | None) -> object:  # noqa: N802 - its name
        """What was counted."""
        ...

    def calc_price(self, usage: object, model: str, *, provider_id: str | None) -> _Calculation:
        """Its price."""
        ...


def dollars(usage: Usage, model: str, provider: str | None = None) -> Decimal | None:
    """The price of tokens; None if the model is not in the list of prices, never 0.

    Args:
        usage: the tokens.
        model: its name, as a provider calls it.
        provider: whose model it is, such as ``"openai"``; None if that follows from the name.

    Raises:
        ModuleNotFoundError: the list of prices is not installed.

    Example:
        >>> from miniagents import Usage
        >>> print(dollars(Usage(input_tokens=1_000_000), "gpt-4o"))
        2.50
        >>> dollars(Usage(input_tokens=1_000_000), "eliza-1966") is None
        True
    """
    prices = _prices()
    counted = prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        return prices.calc_price(counted, model, provider_id=provider).total_price
    except LookupError:
        if provider is None:
            return None
    return dollars(usage, model)  # a server that speaks a provider's language may have models of others


def _prices() -> _Prices:
    """The list of prices, which is read when a price is asked for: that takes a while."""
    try:
        return cast("_Prices", import_module("genai_prices"))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Prices need the list of genai-prices: pip install 'miniagents[prices]', "
            "or give a function of your own, as RunUsage(price=...)."
        ) from error

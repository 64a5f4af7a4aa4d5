"""The price of tokens, from a list of prices that needs no network: ``pip install 'miniagents[prices]'``."""

from decimal import Decimal
from importlib import import_module
from typing import Protocol, cast

from miniagents.values import Usage


class _Calculation(Protocol):
    total_price: Decimal


class _Prices(Protocol):
    """The part of ``genai_prices`` that is used."""

    def Usage(self, **counts: int | None) -> object:  # noqa: N802 - its name
        """Make a count of tokens."""
        ...

    def calc_price(self, usage: object, model: str, *, provider_id: str | None) -> _Calculation:
        """Return the price of a count."""
        ...


def dollars(usage: Usage, model: str, provider: str | None = None) -> Decimal | None:
    """Return the price of tokens in dollars; None if the model is not in the list of prices.

    Args:
        usage: the tokens.
        model: the name of the model, as its provider writes it.
        provider: its provider, such as ``"openai"``; None to find the provider by the name of the model.

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
    cached = (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    counted = prices.Usage(
        input_tokens=cached if cached > (usage.input_tokens or 0) else usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        return prices.calc_price(counted, model, provider_id=provider).total_price
    except LookupError:
        if provider is None:
            return None
    return dollars(usage, model)  # a server with the API of one provider may have models of another one


def _prices() -> _Prices:
    """Import the list of prices, only when a price is needed, since it takes a while."""
    try:
        return cast("_Prices", import_module("genai_prices"))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Prices need the package genai-prices: pip install 'miniagents[prices]', "
            "or give a function of your own, as RunUsage(price=...)."
        ) from error

"""What tokens cost. Needs ``pip install 'miniagents[prices]'``, whose list of prices is used offline."""

from decimal import Decimal

from genai_prices import Usage as Counted, calc_price

from miniagents.values import Usage

__all__ = ["dollars"]


def dollars(usage: Usage, model: str, provider: str | None = None) -> Decimal | None:
    """The price of tokens; None if the model is not in the list of prices, never 0.

    Args:
        usage: the tokens.
        model: its name, as a provider calls it.
        provider: whose model it is, such as ``"openai"``; None if that follows from the name.

    Example:
        >>> from miniagents import Usage
        >>> print(dollars(Usage(input_tokens=1_000_000), "gpt-4o"))
        2.50
        >>> dollars(Usage(input_tokens=1_000_000), "eliza-1966") is None
        True
    """
    counted = Counted(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        return calc_price(counted, model, provider_id=provider).total_price
    except LookupError:
        if provider is None:
            return None
    return dollars(usage, model)  # a server that speaks a provider's language may have models of others

"""What tokens cost."""

from decimal import Decimal

import pytest

from miniagents import Usage
from miniagents.ext.usage import dollars


@pytest.mark.parametrize(
    ("usage", "model", "provider", "price"),
    [
        (Usage(1_000_000), "gpt-4o", None, "2.5"),
        (Usage(1_000_000, 1_000_000), "gpt-4o", "openai", "12.5"),
        (Usage(1_000_000, cached_tokens=1_000_000), "gpt-4o", "openai", "1.25"),
        (Usage(1_000_000), "claude-sonnet-4-0", "openai", "3"),  # a gateway that speaks another's language
        (Usage(), "gpt-4o", "openai", "0"),
        (Usage(5, cached_tokens=1_000_000), "gpt-4o", "openai", "1.25"),  # cached tokens are not in the input
        (Usage(cached_tokens=1_000_000), "gpt-4o", "openai", "1.25"),
    ],
)
def test_prices(usage: Usage, model: str, provider: str | None, price: str) -> None:
    """The price is that of all tokens, cached ones at their own price, whoever serves the model."""
    assert dollars(usage, model, provider) == Decimal(price)


@pytest.mark.parametrize("provider", [None, "openai", "nobody"])
def test_unknown(provider: str | None) -> None:
    """A model that is not in the list has no price, and never the price 0."""
    assert dollars(Usage(5, 5), "eliza-1966", provider) is None

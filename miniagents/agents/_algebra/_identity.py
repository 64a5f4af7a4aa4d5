"""``identity``: the agent that changes nothing."""

from typing import Final

from .._agent import Identity
from .._keywords import NO_KEYWORDS
from ._chains import PassThrough

_PASSING: Final = PassThrough()

identity: Final = Identity(
    _PASSING, NO_KEYWORDS, alias=_PASSING.alias, description=_PASSING.description, defaults={}
)
"""The agent that replies what it is sent, as it streams; ``a | identity`` is ``a``."""

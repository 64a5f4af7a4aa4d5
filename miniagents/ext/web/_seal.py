"""Marks what a server gives to clients to keep, so that it knows its own when they send it back."""

import hmac
import json
from dataclasses import dataclass
from hashlib import sha256

from miniagents.parts import Reasoning


@dataclass(frozen=True, slots=True)
class Seal:
    """Signs what only the model's provider understands: the signature and the id of a thought.

    A client that could choose them would choose what the provider is sent.

    Attributes:
        key: the secret of the server.
        owner: the user who gets it, and who alone can send it back.

    Example:
        >>> seal, thought = Seal(b"secret", "ada"), Reasoning(signature="c2ln")
        >>> seal.holds(thought, seal.of(thought)), Seal(b"secret", "bob").holds(thought, seal.of(thought))
        (True, False)
    """

    key: bytes
    owner: str

    def of(self, thought: Reasoning) -> str:
        """Return the signature for a thought.

        Args:
            thought: of a model.
        """
        signed = [self.owner, thought.signature, thought.id, thought.redacted]
        return hmac.new(self.key, json.dumps(signed).encode(), sha256).hexdigest()

    def holds(self, thought: Reasoning, given: object) -> bool:
        """Return whether this server gave a thought to this user.

        Args:
            thought: of a client.
            given: what the client sends as its signature.
        """
        return isinstance(given, str) and given.isascii() and hmac.compare_digest(self.of(thought), given)

"""Which peers there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from types import MappingProxyType
from typing import cast

from tests.bench.sources import Role


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library.

    Attributes:
        package: as it is installed.
        module: of this folder, with its ``ROLES`` by case.
        cases: what it can do.
        share: of the items that ours are measured with, as it is slower.
    """

    package: str
    module: str
    cases: tuple[str, ...]
    share: float

    def share_of(self, case: str) -> float:
        """The share of the items of a case."""
        return 1 if case in WHOLE else self.share

    def roles(self) -> Mapping[str, Role]:
        """What it does in each case.

        Raises:
            ImportError: it is not installed.
        """
        return cast("Mapping[str, Role]", import_module(f"tests.bench.peers.{self.module}").ROLES)

    @property
    def version(self) -> str:
        """Which version is installed; empty if none is."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return ""


CALLS = ("S15-16", "S15-128", "S15-1000")
WHOLE = frozenset({"S9", "S9L", *CALLS})
"""Cases of which no one does a part: how many answers stream at once belongs to them."""

PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "aiostream": Peer("aiostream", "of_aiostream", ("S1", "S1L", "S2-4", "S2-16"), 0.2),
        "reactivex": Peer("reactivex", "of_reactivex", ("S1", "S1L", "S2-4", "S2-16", "S3"), 0.1),
        "genai-processors": Peer("genai-processors", "of_genai", ("S1", "S1L", "S4", "S5"), 0.05),
        "openai SDK": Peer("openai", "of_openai", ("S9", "S9L", *CALLS), 1),
        "LangChain": Peer(
            "langchain-core",
            "of_langchain",
            ("S1", "S1L", "S2-4", "S4", "S5", "S9", "S9L", *CALLS),
            0.05,
        ),
        "pydantic-ai": Peer(
            "pydantic-ai-slim", "of_pydantic_ai", ("S1", "S1L", "S4", "S9", "S9L", *CALLS), 0.02
        ),
        "litellm": Peer("litellm", "of_litellm", CALLS, 1),
        "miniagents 0.0.35": Peer("miniagents", "of_original", ("S1", "S1L", "S3", "S4", "S5"), 0.05),
    }
)
ORIGINAL = "miniagents 0.0.35"

"""``lazy_dataclass``, which type checkers treat as ``dataclass``."""

from typing import TYPE_CHECKING

__all__ = ["lazy_dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass as lazy_dataclass
else:
    from ._lazy_methods import lazy_dataclass

# reactivex 6.1.0
# Types of `reactivex.observable.mixins`: it re-exports names. Without this file zuban finds no module beside
# the stubs.

from .combination import CombinationMixin
from .conditional import ConditionalMixin
from .error_handling import ErrorHandlingMixin
from .filtering import FilteringMixin
from .mathematical import MathematicalMixin
from .multicasting import MulticastingMixin
from .testing import TestingMixin
from .time_based import TimeBasedMixin
from .transformation import TransformationMixin
from .utility import UtilityMixin
from .windowing import WindowingMixin

__all__ = [
    "CombinationMixin",
    "ConditionalMixin",
    "ErrorHandlingMixin",
    "FilteringMixin",
    "MathematicalMixin",
    "MulticastingMixin",
    "TestingMixin",
    "TimeBasedMixin",
    "TransformationMixin",
    "UtilityMixin",
    "WindowingMixin",
]

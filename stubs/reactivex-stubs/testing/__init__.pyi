# reactivex 6.1.0
# Types of `reactivex.testing`: it re-exports names. Without this file zuban finds no module beside the stubs.

from .mockdisposable import MockDisposable
from .reactivetest import OnErrorPredicate, OnNextPredicate, ReactiveTest, is_prime
from .recorded import Recorded
from .testscheduler import TestScheduler

__all__ = [
    "MockDisposable",
    "OnErrorPredicate",
    "OnNextPredicate",
    "ReactiveTest",
    "Recorded",
    "TestScheduler",
    "is_prime",
]

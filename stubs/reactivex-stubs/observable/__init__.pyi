# reactivex 6.1.0
# Types of `reactivex.observable`: it re-exports names. Without this file zuban finds no module beside the
# stubs.

from .connectableobservable import ConnectableObservable
from .groupedobservable import GroupedObservable
from .observable import Observable

__all__ = ["ConnectableObservable", "GroupedObservable", "Observable"]

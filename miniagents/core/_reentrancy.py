"""A follower that moves on step by step.

Rule of this room: **no step within a step.** What a step sets free may push to the one who makes it; what
came by that is taken by the next step, so that the order holds and no stack grows.
"""

from abc import ABC, abstractmethod


class ReentrancyGuard(ABC):
    """Takes steps until there is nothing to do; told of more in the middle of one, it goes on after it.

    Example:
        >>> class Countdown(ReentrancyGuard):
        ...     left = 2
        ...     def step(self) -> bool:
        ...         print(self.left)
        ...         self.left -= 1
        ...         self.deliver()  # comes back at once: this step is not over
        ...         return self.left > 0
        >>> Countdown().deliver()
        2
        1
    """

    __slots__ = ("_stepping",)

    def __init__(self) -> None:
        self._stepping = False

    def deliver(self) -> None:
        """Move on as far as that is possible now."""
        if self._stepping:
            return
        self._stepping = True
        try:
            while self.step():
                pass
        finally:
            self._stepping = False

    @abstractmethod
    def step(self) -> bool:
        """Do what is next; whether there may be more to do now.

        Raises:
            Exception: whatever the step raises leaves :meth:`deliver`, which can be called again.
        """

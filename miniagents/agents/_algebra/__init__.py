"""The agent functions of compositions of agents.

Each module has what one operation *runs*: a value that is called like an agent function. It does not know
``MiniAgent``; the method of the operation makes an agent of it. ``race``, ``route`` and ``identity`` are not
methods and make their agents themselves.
"""

from typing import TYPE_CHECKING

from miniagents._lazy_names import lazy_names

__all__ = ["Catching", "Handler", "Hedge", "RetryPolicy", "Retrying", "TimeLimits"]

if TYPE_CHECKING:
    from ._catching import Catching, Handler
    from ._hedge import Hedge
    from ._retry import Retrying, RetryPolicy
    from ._timeout import TimeLimits
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        listed=__all__,
        modules={
            "_catching": ("Catching", "Handler"),
            "_hedge": ("Hedge",),
            "_retry": ("RetryPolicy", "Retrying"),
            "_timeout": ("TimeLimits",),
        },
    )

"""The name of a function, or of the class of another object, for errors and logs; and its docstring."""

import inspect
from functools import partial
from typing import cast


def name_of(function: object) -> str:
    """Return the name of a function, also of a `partial` one; of another object that of its class.

    Args:
        function: what users gave to be called or read.

    Example:
        >>> name_of(print), name_of(3)
        ('print', 'int')
    """
    function = _whole(function)
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def doc_of(function: object) -> str:
    """Return the docstring of a function, also of a `partial` one, or of ``__call__``; ``""`` if it has none.

    Args:
        function: what users gave to be called.

    Example:
        >>> doc_of(partial(name_of, 3)).partition(",")[0]
        'Return the name of a function'
    """
    function = _whole(function)
    call: object = getattr(type(function), "__call__", None)  # noqa: B004 - its docstring is wanted
    if function.__doc__ is type(function).__doc__ and inspect.isfunction(call) and call.__doc__:
        return inspect.cleandoc(call.__doc__)  # an object of a class: its docstring may only say what it is
    return inspect.getdoc(function) or ""


def _whole(function: object) -> object:
    return cast("partial[object]", function).func if isinstance(function, partial) else function

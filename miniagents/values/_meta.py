"""The metaclass of frozen models: it only tells type checkers what pydantic's fields mean here.

pydantic's own metaclass is a private import; pyproject pins the range of pydantic and `test_meta.py` proves
it is there. It must stay empty: a `__new__` of our own would stand between pydantic and the frame in which
it looks for local types.
"""

from pydantic import Field, PrivateAttr
from pydantic._internal._model_construction import ModelMetaclass
from typing_extensions import dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field, PrivateAttr))
class FrozenMeta(ModelMetaclass):
    """Pydantic's metaclass for classes whose fields are frozen, and keyword-only unless they say so.

    Nobody names it: whoever extends `Frozen` has it. Type checkers read it and check the constructor.

    Example:
        >>> from miniagents import Frozen
        >>> class Point(Frozen):
        ...     x: int
        >>> isinstance(Point, FrozenMeta), Point(x=1).x
        (True, 1)
    """

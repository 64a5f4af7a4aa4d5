"""A pydantic model of which only the beginning has come.

Rule of this room: **a partial is a prefix, and of the right types.** Of a text that has not ended there is
what has come; a text or a list that has not begun is empty; a field with a default has that until it comes. A
number, a date, or anything else that has no beginning must be whole: as long as a required one is missing,
there is no partial. What is complete has been validated, once, however many partials show it.

Making a partial costs as much as what is open is long. So each character that comes allows for some work, and
a partial that would cost more than is allowed is left out: all partials of a document cost linear time
together.
"""

import json
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from miniagents.values import JsonError, JsonFrame, JsonMachine

from ._plans import MISSING, Items, Object, Plan, Text, plan_of

__all__ = ["Partials"]

T = TypeVar("T", bound=BaseModel)

# In items of lists that are copied and compared; that many characters of a text cost as much as one of them.
_AT_FIRST: Final = 1 << 16
_PER_CHARACTER: Final = 16
_CHARACTERS: Final = 64


@dataclass(slots=True)
class _Open:
    """A container that is open, with what is complete in it as the model has it."""

    frame: JsonFrame
    plan: Plan
    items: list[object] = field(default_factory=list[object])
    fields: dict[str, object] = field(default_factory=dict[str, object])
    keys: int = 0

    def take(self) -> None:
        """Validate what is new."""
        value = self.frame.value
        if isinstance(value, list) and isinstance(self.plan, Items):
            self.items += [self.plan.item.validated(each) for each in value[len(self.items) :]]
        elif isinstance(value, dict) and isinstance(self.plan, Object):
            new = islice(reversed(value.items()), len(value) - self.keys)  # not all: there may be many
            for key, each in reversed(list(new)):
                if key in self.plan.fields:
                    self.fields[key] = self.plan.fields[key].plan.validated(each)
            self.keys = len(value)

    def plan_inside(self) -> Plan:
        """The plan of what is open in it."""
        if isinstance(self.plan, Items):
            return self.plan.item
        if isinstance(self.plan, Object) and self.frame.key in self.plan.fields:
            return self.plan.fields[self.frame.key].plan
        return Plan(None)


class Partials(Generic[T]):
    """Takes the JSON of a model piece by piece.

    Args:
        model: the type.

    Example:
        >>> class City(BaseModel):
        ...     name: str
        ...     sights: list[str]
        >>> partials = Partials(City)
        >>> partials.feed('{"name": "Os'), partials.feed('lo", "sights": ["Opera", "For')
        (City(name='Os', sights=[]), City(name='Oslo', sights=['Opera', 'For']))
    """

    __slots__ = ("_allowed", "_broken", "_last", "_machine", "_model", "_open", "_plan")

    def __init__(self, model: type[T]) -> None:
        self._model = model
        self._plan = plan_of(model)
        self._machine = JsonMachine(depth=0, ignore_rest=True)
        self._open: list[_Open] = []
        self._last: T | None = None
        self._allowed = _AT_FIRST
        self._broken = False

    def feed(self, text: str) -> T | None:
        """Take the next piece.

        Args:
            text: any piece.

        Returns:
            The model as far as it has come, if that is a new partial; None if it is not, or will never be
            one, because the text is not JSON or does not fit.
        """
        if self._broken:
            return None
        self._allowed += _PER_CHARACTER * len(text)
        try:
            self._machine.feed(text)
            partial = self._partial()
        except (JsonError, ValidationError):
            self._broken = True
            return None
        if partial is None or partial == self._last:
            return None
        self._last = partial
        return partial

    def _partial(self) -> T | None:
        if self._machine.closed:
            self._broken = True  # nothing can follow
            return self._model.model_validate_json(json.dumps(self._machine.finish()))
        self._align()
        items = sum(len(each.items) + len(each.fields) + 1 for each in self._open)
        cost = items + self._machine.open_length // _CHARACTERS
        if not self._open or cost > self._allowed:
            return None
        self._allowed -= cost
        made = self._value(0)
        return made if isinstance(made, self._model) else None

    def _align(self) -> None:
        """Follow the machine into the containers that are open now."""
        frames = self._machine.frames
        same = 0
        while same < min(len(frames), len(self._open)) and self._open[same].frame is frames[same]:
            same += 1
        del self._open[same:]
        for frame in frames[same:]:
            self._open.append(_Open(frame, self._open[-1].plan_inside() if self._open else self._plan))
        for each in self._open:
            each.take()

    def _value(self, level: int) -> object:
        """What an open container is so far."""
        this = self._open[level]
        inside: object = MISSING
        if level + 1 < len(self._open):
            inside = self._value(level + 1)
        elif isinstance(this.plan_inside(), Text):
            text = self._machine.open_text
            inside = MISSING if text is None else text
        match this.plan:
            case Items(make=make):
                return make([*this.items, *([] if inside is MISSING else [inside])])
            case Object() as plan:
                key = this.frame.key
                found = this.fields if inside is MISSING or key is None else {**this.fields, key: inside}
                return plan.beginning(found)
            case _:
                return MISSING

"""``JobUsage``: counts the tokens of a job, also of answers that broke off before they reported them."""

import math
from dataclasses import dataclass, replace

from typing_extensions import override

from miniagents.observers import ModelAsked, PartsCame, PartSeen, RunEnded, RunEvent, RunInfo
from miniagents.parts import Part, Reasoning, ToolCallDelta, Usage
from miniagents.values import tokens_in

from ..usage import RunUsage
from ._options import Price

_FIRST_INPUT = 1000  # tokens of a prompt, as long as no answer has reported any


class JobUsage(RunUsage):
    """Counts what models use; if an answer breaks off, it estimates what was not reported.

    The prompt counts as much as the largest one so far, unless its tokens were reported before the answer:
    its text is not known here, as the agent of a row makes the prompts of its models. Too much ends a budget
    early, too little would exceed it. The answer counts as many tokens as its text has. A call that fails
    before its answer begins costs nothing, unless it was stopped or took too long.

    Args:
        price: returns the price of tokens.
    """

    def __init__(self, price: Price) -> None:
        super().__init__(price)
        self._calls: dict[RunInfo, _Call] = {}
        self._largest_input = 0

    @override
    def on_event(self, event: RunEvent, /) -> None:
        run = event.run
        if isinstance(event, ModelAsked):
            self._calls[run] = _Call()
        elif (call := self._calls.get(run)) is not None:
            if isinstance(event, PartsCame):
                call.answered += sum(map(_tokens_of, event.parts))
            elif isinstance(event, PartSeen) and isinstance(event.part, Usage):
                call.reported = event
                self._largest_input = max(self._largest_input, event.part.input_tokens or 0)
            elif isinstance(event, RunEnded):
                del self._calls[run]
                if event.outcome != "done":
                    self._estimate(call, event)
        super().on_event(event)

    def _estimate(self, call: "_Call", end: RunEnded) -> None:
        if not (call.answered or call.reported or end.error is None or isinstance(end.error, TimeoutError)):
            return
        last = call.reported or PartSeen(end.run, end.at, 0, Usage(), first=False, model=None)
        reported = last.part if isinstance(last.part, Usage) else Usage()
        usage = replace(
            reported,
            input_tokens=reported.input_tokens or self._largest_input or _FIRST_INPUT,
            output_tokens=max(reported.output_tokens or 0, math.ceil(call.answered)),
        )
        super().on_event(replace(last, part=usage))


@dataclass(slots=True)
class _Call:
    """A call of a model that has not ended.

    Attributes:
        answered: the estimated tokens of what has come.
        reported: the last usage that came.
    """

    answered: float = 0.0
    reported: PartSeen | None = None


def _tokens_of(part: Part) -> float:
    match part:
        case str(text) | Reasoning(text=text) | ToolCallDelta(arguments=text):
            return tokens_in(text)
        case _:
            return 0.0

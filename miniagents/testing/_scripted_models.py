"""``ScriptedModels``: makes scripted models, and knows which answers nobody asked for."""

from typing import Final

from miniagents.models import ModelAgent

from ._scripted_model import Answer, ModelRequest, ScriptedModel

__all__ = ["ScriptedModels"]

_ALIAS: Final = "SCRIPTED_MODEL"


class ScriptedModels:
    """Makes models as :func:`scripted_model` does, and checks at the end that all answers were asked for.

    It is what the fixture ``scripted_model`` is.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import ScriptedModels
        >>> scripted_model = ScriptedModels()
        >>> model = scripted_model("Hello!", "Bye!")
        >>> async def main():
        ...     print(await model.inquire("Hi"), scripted_model.requests[0].messages)
        >>> MiniAgents().run(main())
        Hello! Hi
        >>> scripted_model.check()
        Traceback (most recent call last):
            ...
        AssertionError: SCRIPTED_MODEL was asked 1 time(s) and has 1 answer(s) left; ...
    """

    def __init__(self) -> None:
        self._models: list[ScriptedModel] = []

    def __call__(self, *answers: Answer, then: Answer | None = None, alias: str = _ALIAS) -> ModelAgent[...]:
        """Make a model.

        Args:
            *answers: in the order of the requests; see :class:`ScriptedModel`.
            then: the answer to every further request; it need not be asked for.
            alias: how the agent is called in errors and records.
        """
        model = ScriptedModel(*answers, then=then, alias=alias)
        self._models.append(model)
        return model.agent

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """What its models were asked, model by model in the order in which they were made."""
        return tuple(request for model in self._models for request in model.requests)

    def check(self) -> None:
        """Look for answers that are left.

        Raises:
            AssertionError: a model has some.
        """
        found = [
            f"{model.agent.alias} was asked {len(model.requests)} time(s) and has {model.answers_left} "
            "answer(s) left"
            for model in self._models
            if model.answers_left
        ]
        if found:
            raise AssertionError(
                f"{'; '.join(found)}; take out what is not asked for, or look why it was not."
            )

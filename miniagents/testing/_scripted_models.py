"""``ScriptedModels``: makes scripted models, and checks that all their answers were used."""

from typing import Final

from miniagents.models import ModelAgent

from ._scripted_model import Answer, ModelRequest, ScriptedModel

_ALIAS: Final = "SCRIPTED_MODEL"


class ScriptedModels:
    """Makes models as :func:`scripted_model` does, and checks at the end that all answers were used.

    The fixture ``scripted_model`` is one.

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

    def __call__(
        self, *answers: Answer, then: Answer | None = None, alias: str = _ALIAS, delay: float = 0.0
    ) -> ModelAgent[...]:
        """Make a model.

        Args:
            *answers: in the order of the requests; see :class:`ScriptedModel`.
            then: the answer to all further requests; it need not be used.
            alias: the name of the agent in errors and records.
            delay: seconds before each piece of an answer.

        Raises:
            ValueError: `delay` is negative or NaN.
            TypeError: `delay` is not a number.
        """
        model = ScriptedModel(*answers, then=then, alias=alias, delay=delay)
        self._models.append(model)
        return model.agent

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """The requests of its models, model by model, in the order in which these were made."""
        return tuple(request for model in self._models for request in model.requests)

    def check(self) -> None:
        """Check that all answers were used.

        Raises:
            AssertionError: a model has answers that were not used.
        """
        found = [
            f"{model.agent.alias} was asked {len(model.requests)} time(s) and has {model.answers_left} "
            "answer(s) left"
            for model in self._models
            if model.answers_left
        ]
        if found:
            raise AssertionError(
                f"{'; '.join(found)}; remove them if they are not needed, or find out why they were not used."
            )

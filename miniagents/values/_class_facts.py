"""What is known of a frozen class once it is defined, so that making a value asks few questions."""

from functools import cached_property
from types import new_class
from typing import Final, cast

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

from ._template import Template

TEMPLATE_FIELD: Final = "text_template"


class ClassFacts:
    """The facts of one frozen class.

    Args:
        cls: The class.
        base: The root of all frozen classes; what it has cannot be given as data.

    Attributes:
        reserved: The names of methods and attributes, which no data can have.
        replaceable: The names of class variables with plain data, which a single value may have in its own
            way.
        template: The template of the class, if it has one.

    Raises:
        TemplateError: If the template is wrong.
    """

    def __init__(self, cls: type[BaseModel], base: type[BaseModel] | None) -> None:
        self._cls = cls
        own = frozenset[str]().union(*(vars(each) for each in cls.__mro__))
        added = frozenset[str]() if base is None else cls.__class_vars__ - base.__class_vars__
        self.replaceable: frozenset[str] = frozenset(
            name for name in added if not callable(getattr(cls, name, None))
        )
        self.reserved: frozenset[str] = own - self.replaceable
        self.template: Template | None = self._template()

    def _template(self) -> Template | None:
        field = self._cls.__pydantic_fields__.get(TEMPLATE_FIELD)
        if field is None:
            source: object = getattr(self._cls, TEMPLATE_FIELD, None)
            if isinstance(source, property):  # made for each value, and checked then
                return None
        else:
            source = None if field.is_required() else field.default
        return None if source is None else Template(source, self._cls.__qualname__)

    def template_for(self, source: object) -> Template:
        """Return the checked template of one value; nearly always it is the one of the class.

        Raises:
            TemplateError: If the template is wrong.
        """
        if self.template is not None and self.template.source == source:
            return self.template
        return Template(source, self._cls.__qualname__)

    @cached_property
    def updates(self) -> TypeAdapter[dict[str, object]]:
        """What checks new values of declared fields: any part of the fields, as their annotations say."""
        cls = self._cls
        namespace: dict[str, object] = {
            "__annotations__": {
                name: field.rebuild_annotation() for name, field in cls.__pydantic_fields__.items()
            },
            "__pydantic_config__": cls.model_config,
            "__module__": cls.__module__,
        }
        part = new_class(
            cls.__qualname__, (TypedDict,), {"total": False}, lambda body: body.update(namespace)
        )
        return TypeAdapter(cast("type[dict[str, object]]", part))

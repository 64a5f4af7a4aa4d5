"""Tests of the facts of a frozen class."""

from collections.abc import Callable
from typing import Annotated, ClassVar

import pytest
from pydantic import Field, ValidationError

from miniagents.values import Frozen, TemplateError
from miniagents.values._class_facts import ClassFacts


class Talk(Frozen):
    role: ClassVar[str] = "user"
    act: ClassVar[Callable[[], int]] = lambda: 1
    level: Annotated[int, Field(gt=0)] = 1
    names: list[str] = Field(default_factory=list)

    def speak(self) -> str:
        """Return a text."""
        return self.role


def test_reserved() -> None:
    """Methods and properties of the class and its bases are reserved; fields and plain data are not."""
    facts = Talk.__frozen_facts__
    assert {
        "speak",
        "act",
        "hash_key",
        "model_dump",
        "json",
        "model_config",
        "__class__",
        "_hash_key",
    } <= facts.reserved
    assert not {"role", "level", "names", "text_template", "text"} & facts.reserved
    assert facts.replaceable == {"role"}


def test_the_root_has_facts_too() -> None:
    """`Frozen` itself refuses the names of its methods."""
    assert "hash_key" in Frozen.__frozen_facts__.reserved
    assert not Frozen.__frozen_facts__.replaceable


def test_no_template() -> None:
    """A class need not have a template."""
    assert Talk.__frozen_facts__.template is None


def test_templates_are_checked_when_the_class_is_defined() -> None:
    """A wrong template is an error of the class statement, as class variable and as default of a field."""

    def wrong() -> type[Frozen]:
        class Wrong(Frozen):
            text_template: ClassVar[str] = "{a.b}"

        return Wrong

    def wrong_field() -> type[Frozen]:
        class WrongField(Frozen):
            text_template: str = "{0}"

        return WrongField

    def wrong_type() -> type[Frozen]:
        class WrongType(Frozen):
            text_template: ClassVar[int] = 5

        return WrongType

    with pytest.raises(TemplateError, match=r"Wrong has the field \{a\.b\}"):
        wrong()
    with pytest.raises(TemplateError, match=r"WrongField has the field \{0\}"):
        wrong_field()
    with pytest.raises(TemplateError, match="WrongType is of type int"):
        wrong_type()


def test_templates_that_are_known_later() -> None:
    """A required field and a property are checked when a value is made, not before."""

    class Later(Frozen):
        text_template: str

    class Computed(Frozen):
        @property
        def text_template(self) -> str:
            """Return a template made for each value."""
            return "{x}"

    assert Later.__frozen_facts__.template is None
    assert str(Computed.model_validate({"x": 1})) == "1"


def test_the_template_of_the_class_is_parsed_once() -> None:
    """One value after the other uses the same checked template."""

    class Greeting(Frozen):
        text_template: ClassVar[str] = "Hello!"

    facts = Greeting.__frozen_facts__
    assert facts.template is facts.template_for("Hello!")
    assert facts.template is not facts.template_for("Bye!")


def test_updates_are_validated_as_annotated() -> None:
    """Any part of the fields is checked by its annotations, and nothing is asked of the others."""
    updates = ClassFacts(Talk, Frozen).updates
    assert updates.validate_python({"level": "2"}) == {"level": 2}
    assert updates.validate_python({"names": ("a",)}) == {"names": ["a"]}
    with pytest.raises(ValidationError, match=r"for Talk\nlevel\n .*greater than 0"):
        updates.validate_python({"level": 0})


def test_updates_follow_the_configuration_of_the_class() -> None:
    """What the class says of all its fields holds for updates, too."""

    class Stripped(Frozen, str_strip_whitespace=True):
        name: str

    assert Stripped.__frozen_facts__.updates.validate_python({"name": " x "}) == {"name": "x"}

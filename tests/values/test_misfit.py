"""`misfit`: what does not fit a class, in one line and without secrets."""

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr, ValidationError, field_validator

from miniagents.values import misfit


class Inner(BaseModel):
    """Something with a secret in it."""

    number: int
    key: SecretStr = SecretStr("")


class Book(BaseModel):
    """A class with fields of many kinds."""

    title: str = ""
    year: int = 0
    tags: tuple[int, ...] = ()
    pages: dict[str, int] = Field(default={}, alias="content")
    inner: Inner | None = None
    token: SecretStr | None = None
    tokens: Annotated[list[SecretBytes], "many"] = []
    api_key: int = 0
    quiet: int = Field(default=0, repr=False)

    model_config = ConfigDict(populate_by_name=False)


def said_of(model: type[BaseModel], data: object) -> str:
    """What `misfit` says of the error of `data`."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    return misfit(caught.value, model.__pydantic_fields__)


def test_field_and_value() -> None:
    """The field is named, and its value shown."""
    assert said_of(Book, {"title": 5}) == "title: Input should be a valid string (got 5)"


def test_several() -> None:
    """Every field that does not fit is named."""
    said = said_of(Book, {"title": 5, "year": None})
    assert said == (
        "title: Input should be a valid string (got 5); year: Input should be a valid integer (got None)"
    )


def test_path() -> None:
    """Where it stands in a collection is told, and an alias is a name."""
    assert said_of(Book, {"tags": (1, "x")}).startswith("tags[1]: Input should be a valid integer")
    assert said_of(Book, {"content": {"a": "x"}}).startswith("content.a: Input should be a valid integer")


def test_missing() -> None:
    """A field that is not there has no value to show."""
    assert said_of(Inner, {"text": "private"}) == "number: Field required"


def test_long_values_are_shortened() -> None:
    """A value is cut to 60 characters, and a collection is only said to be one."""
    said = said_of(Book, {"year": "1" * 50 + "x" * 500})
    assert said.endswith("(got '" + "1" * 50 + "x" * 8 + "…)")
    assert said_of(Book, {"title": ["private"]}).endswith("(got a value of type list)")
    assert said_of(Book, {"title": {"a": "private"}}).endswith("(got a value of type mapping)")


@pytest.mark.parametrize(
    "data",
    [
        {"token": 50_123},
        {"tokens": [50_123]},
        {"inner": {"number": 1, "key": 50_123}},
        {"inner": {"number": "50123x"}},
        {"api_key": "50123x"},
        {"quiet": "50123x"},
        {"year": "sk-50123abcdef"},
        {"tags": "50123x", "content": ["50123"]},
    ],
)
def test_secrets(data: dict[str, object]) -> None:
    """No secret is shown: by its type, however deep, its name, `repr=False`, or the look of a key."""
    said = said_of(Book, data)
    assert said.startswith(next(iter(data)))
    if "tags" not in data:
        assert "50123" not in said


def test_a_validator_that_quotes() -> None:
    """What a validator of a secret field says is not passed on: it may quote the value."""

    class Login(BaseModel):
        password: SecretStr

        @field_validator("password")
        @classmethod
        def check(cls, value: SecretStr) -> SecretStr:
            msg = f"{value.get_secret_value()} is too short"
            raise ValueError(msg)

    assert said_of(Login, {"password": "hunter2"}) == "password: not valid (value_error)"


def test_no_field() -> None:
    """The value of a keyword that is no field, and of the whole, is not shown."""

    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")

    assert said_of(Closed, {"more": "private"}) == "more: Extra inputs are not permitted"
    assert "private" not in said_of(Closed, "private")


def test_a_model_of_itself() -> None:
    """A class that contains itself has no end, and no secret."""

    class Tree(BaseModel):
        leaf: int = 0
        left: "Tree | None" = None

    assert said_of(Tree, {"left": {"leaf": "x"}}).startswith("left.leaf: Input should be a valid integer")

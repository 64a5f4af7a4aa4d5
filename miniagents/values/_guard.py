"""The error for an attempt to change a frozen value."""

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def is_frozen_error(owner: str, name: str) -> ValidationError:
    """Return the error that pydantic's own frozen models raise, with a sentence that says what to do.

    Args:
        owner: The name of the class.
        name: The attribute that was to be set or deleted.
    """
    problem = PydanticCustomError(
        "frozen_instance",
        "{owner} is frozen; make a changed copy with model_copy(update=...)",
        {"owner": owner},
    )
    details = InitErrorDetails(type=problem, loc=(name,), input=None)
    return ValidationError.from_exception_data(owner, [details], hide_input=True)

"""The name of a function, or of the class of another object, for errors and logs."""


def name_of(function: object) -> str:
    """Return the name of a function; of another object that of its class.

    Args:
        function: what users gave to be called or read.

    Example:
        >>> name_of(print), name_of(3)
        ('print', 'int')
    """
    name: str = getattr(function, "__name__", type(function).__name__)
    return name

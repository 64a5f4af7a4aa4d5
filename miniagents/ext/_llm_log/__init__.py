"""A log of calls of models: what is noted of one, its page in Markdown, and the folder."""

from ._call import LoggedCall
from ._folder import LogFolder
from ._page import markdown

__all__ = ["LogFolder", "LoggedCall", "markdown"]

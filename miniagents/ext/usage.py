"""The tokens that the models of a program use, and their cost; see :class:`RunUsage`."""

from miniagents.runs import RunUsage, dollars

__all__ = ["RunUsage", "dollars"]

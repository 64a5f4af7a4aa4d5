"""The tokens that the models of a program use, and their cost; see :class:`RunUsage`."""

from miniagents.runs import RunUsage, UsageReport, dollars, unpriced_models

__all__ = ["RunUsage", "UsageReport", "dollars", "unpriced_models"]

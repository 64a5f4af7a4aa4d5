"""The tokens that the models of a program use, and their cost; see :class:`RunUsage`."""

from miniagents.models import Price, RunUsage, UsageReport, dollars, unpriced_models

__all__ = ["Price", "RunUsage", "UsageReport", "dollars", "unpriced_models"]

"""What the models of a program have used, and what that costs; see :class:`RunUsage`."""

from miniagents.models import Price, RunUsage, UsageReport, dollars

__all__ = ["Price", "RunUsage", "UsageReport", "dollars"]

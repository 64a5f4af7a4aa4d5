"""miniagents."""

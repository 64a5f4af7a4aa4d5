"""A door to agents of all kinds."""

from .console_user_agent import console_user_agent

__all__ = ["console_user_agent"]

"""Agents of all kinds, under their documented path."""

from .console_user_agent import console_user_agent

__all__ = ["console_user_agent"]

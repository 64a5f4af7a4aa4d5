"""Jobs: rows through an agent, none lost."""

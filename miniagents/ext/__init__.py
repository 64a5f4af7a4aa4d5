"""LEAVES: language models, histories, the console, an offline partner; each imported by its own name."""

"""Extensions: providers of models, histories, the console, Eliza; each is imported by its own name."""

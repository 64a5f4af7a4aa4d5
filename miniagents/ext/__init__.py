"""Extensions: providers of language models, histories, the console, Eliza. Each is imported by its own name."""

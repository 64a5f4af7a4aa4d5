"""The executable specification: what each operator and each reader does, on plain lists."""

"""How fast it is: S1 to S7, each against a limit measured in the same run, by `python -m tests.bench`."""

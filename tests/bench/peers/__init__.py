"""The cases of the bench through other libraries: `python -m tests.bench --peers`.

They are installed by `pip install -e '.[bench]'`.

Rule of this package: **nothing here imports us**, so that the earlier miniagents, which has our name, runs
here too, in an interpreter of its own. Libraries that need not be installed are imported by name.
"""

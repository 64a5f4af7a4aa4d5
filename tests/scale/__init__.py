"""How much fits on one machine, each case in a process of its own.

python -m tests.scale                 all cases at full size: some minutes and up to 2 GB
python -m tests.scale chain http      some of them
python -m tests.scale --small         at the size that the tests have
"""

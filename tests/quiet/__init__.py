"""All tests in development mode, and nothing may be written to stderr.

python -m tests.quiet                       all: some ten minutes
python -m tests.quiet tests/streams -x      some, with whatever pytest takes
"""

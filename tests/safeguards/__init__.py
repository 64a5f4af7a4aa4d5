"""What keeps streams from leaking, hanging and growing, and the test that notices if it is not there.

python -m tests.safeguards                    remove each one in turn; its test must be red: some minutes
python -m tests.safeguards pause drain        those whose sentence has one of these words
python -m tests.safeguards --list             the table, as Markdown
"""

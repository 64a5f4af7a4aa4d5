"""The release as users get it: the wheel, made of the sdist, in environments that have nothing else of ours.

python -m tests.release                             all of them
python -m tests.release bare                        the wheel without extras: what works, what names its extra
python -m tests.release extras                      the wheel with each extra alone: what the pages say
python -m tests.release pinned                      the tests of the sdist, with the versions of the gate
python -m tests.release lowest                      the same, with the lowest versions in `pyproject.toml`
python -m tests.release newest                      the same, with the newest ones that it allows
python -m tests.release lowest --keep FOLDER        what is built and installed stays there
python -m tests.release lowest -- -n 1 tests/streams   what follows is for pytest
python -m tests.release pinned -- -m gate           the tests that plain pytest leaves out

Whatever Python runs it makes the environments; it needs nothing else: python3.13 -m tests.release.
"""

"""The wall against examples that lie: what a docstring shows, runs."""

import doctest
from types import ModuleType

__all__ = ["broken_examples"]


def broken_examples(module: ModuleType) -> str:
    """Run the `>>>` examples of a module and of all it defines; return the report of those that fail."""
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for each in doctest.DocTestFinder().find(module):
        runner.run(each, out=report.append)
    return "".join(report)

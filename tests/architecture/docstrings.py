"""The check against examples that lie: what a docstring shows, runs."""

import doctest
from types import ModuleType

__all__ = ["broken_examples", "runnable_examples"]


def broken_examples(module: ModuleType) -> str:
    """Run the `>>>` examples of a module and of all it defines; return the report of those that fail."""
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for each in doctest.DocTestFinder().find(module):
        runner.run(each, out=report.append)
    return "".join(report)


def runnable_examples(module: ModuleType) -> int:
    """Count the examples that are run: of what the module defines, as far as doctest can find it."""
    return sum(len(each.examples) for each in doctest.DocTestFinder().find(module))

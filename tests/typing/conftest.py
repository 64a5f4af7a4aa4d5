"""Every type checker is started at once; they run beside each other, and each test waits for one of them."""

from collections.abc import Generator, Mapping

import pytest

from tests.typing.checkers import PYRIGHT, Checker, corpus, settings, start


@pytest.fixture(scope="session")
def checkers(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Checker]]:
    """Start mypy without and with pydantic's plugin, pyright on corpus and package, and stubtest.

    The first one keeps a cache, for the mutations to begin with.
    """
    tmp = tmp_path_factory.mktemp("types")
    for plugin in (False, True):
        tmp.joinpath(f"{plugin}.ini").write_text(settings(plugin=plugin), encoding="utf-8")
    commands: Mapping[str, list[str]] = {
        "mypy": ["mypy", f"--config-file={tmp / 'False.ini'}", f"--cache-dir={tmp / 'cache'}", *corpus()],
        "pyright": ["pyright", *PYRIGHT],
        "plugin": ["mypy", f"--config-file={tmp / 'True.ini'}", *corpus()],
        "stubtest": ["mypy.stubtest", "reactivex", "--concise"],
        "verifytypes": ["pyright", "--verifytypes=miniagents", "--ignoreexternal", "--outputjson"],
    }
    started = {name: start(command, tmp / f"{name}.txt") for name, command in commands.items()}
    yield started
    for checker in started.values():
        checker.stop()


@pytest.fixture(scope="session")
def mutations(checkers: dict[str, Checker], tmp_path_factory: pytest.TempPathFactory) -> Generator[Checker]:
    """Start trying some mutations, when mypy has left its cache for it."""
    checkers["mypy"].done()
    cache = checkers["mypy"].output.parent / "cache"
    output = tmp_path_factory.mktemp("mutations") / "mutations.txt"
    checker = start(["tests.typing.mutations", f"--cache={cache}", "--some"], output)
    yield checker
    checker.stop()

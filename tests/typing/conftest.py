"""Every type checker is started at once; they run beside each other, and each test waits for one of them."""

import sys
from collections.abc import Generator, Mapping

import pytest

from tests.typing.checkers import ROOT, Checker, corpus, files, start

TRIED = ("In is", "fork takes", "inquire gives Any", "without parentheses", "fields of messages")
"""Words of the mutations that every run of the tests tries; the others take half a minute."""


@pytest.fixture(scope="session")
def checkers(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Checker]]:
    """Start mypy without and with pydantic's plugin, pyright on corpus and package, and stubtest."""
    tmp = tmp_path_factory.mktemp("types")
    settings = (ROOT / "mypy.ini").read_text(encoding="utf-8")
    with_plugin = tmp / "plugin.ini"
    with_plugin.write_text(settings.replace("[mypy]", "[mypy]\nplugins = pydantic.mypy", 1), encoding="utf-8")
    commands: Mapping[str, list[str]] = {
        "pyright": ["pyright", f"--pythonpath={sys.executable}", *files()],  # by itself it leaves them out
        "mypy": ["mypy", *files()],
        "plugin": ["mypy", f"--config-file={with_plugin}", *corpus()],
        "stubtest": ["mypy.stubtest", "reactivex", "--concise"],
        "mutations": ["tests.typing.mutations", *TRIED],
        "verifytypes": ["pyright", "--verifytypes=miniagents", "--ignoreexternal", "--outputjson"],
    }
    started = {name: start(command, tmp / f"{name}.txt") for name, command in commands.items()}
    yield started
    for checker in started.values():
        checker.process.kill()
        checker.process.wait()

"""Install, start and ask the servers, and print what was said."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.servers.running import environment, free_port, serving
from tests.servers.talks import APIS, KEY, PROGRAM, chat_program, talk
from tests.servers.tiny_model import write_tiny_model

__all__ = ["main"]

_OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
_ALONE: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": KEY}
_SPOKEN: Final = {
    "transformers": ("chat", "responses"),
    "litellm": ("chat", "responses", "messages"),
    "vllm-router": ("chat", "responses"),
}
MODEL: Final = "tiny"
_ROOT: Final = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> int:
    """Talk with the servers that are chosen; the number of conversations that went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description="Talks with real servers.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(_SPOKEN)}; all by default")
    parser.add_argument("--keep", type=Path, help="the folder where what is installed stays")
    given = parser.parse_args(words)
    names: list[str] = given.names or [*_SPOKEN]
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        installed = Path(given.keep or scratch / "installed").absolute()
        programs = {name: _programs(installed, name) for name in dict.fromkeys(["transformers", *names])}
        write_tiny_model(scratch / MODEL)
        with _transformers(programs["transformers"], scratch) as model:
            if "transformers" in names:
                failed += _talked("transformers", model)
            if "litellm" in names:
                with _litellm(programs["litellm"], scratch, model) as proxy:
                    failed += _talked("litellm", proxy)
            if "vllm-router" in names:
                with _router(programs["vllm-router"], scratch, model) as router:
                    failed += _talked("vllm-router", router)
    _say(f"{failed} conversations went wrong")
    return failed


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _programs(installed: Path, name: str) -> Path:
    """The programs of a server; what is missing is installed, which is timed."""
    lines = (Path(__file__).parent / "requirements.txt").read_text().splitlines()
    requirements = next(line.split() for line in lines if name in line)
    started = time.perf_counter()
    programs = environment(installed / name, requirements)
    _say(f"{name} is installed after {time.perf_counter() - started:.0f} s")
    return programs


@contextmanager
def _transformers(programs: Path, scratch: Path) -> Generator[str]:
    """`transformers serve` with the tiny model."""
    command = [str(programs / "transformers"), "serve", MODEL, "--host", "127.0.0.1", "--port", "{port}"]
    with serving(command, scratch, "/health", **_OFFLINE) as url:
        yield url


@contextmanager
def _litellm(programs: Path, scratch: Path, behind: str) -> Generator[str]:
    """LiteLLM's proxy in front of another server."""
    # Of this provider it knows that it speaks Chat Completions alone, so it translates all else itself.
    settings = {"model": f"lm_studio/{MODEL}", "api_base": f"{behind}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": settings}],
        "router_settings": {"disable_cooldowns": True, "num_retries": 0},
    }
    (scratch / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    program = [str(programs / "litellm"), "--config", "config.yaml"]
    command = [*program, "--host", "127.0.0.1", "--port", "{port}"]
    with serving(command, scratch, "/health/liveliness", **_ALONE) as url:
        yield url


@contextmanager
def _router(programs: Path, scratch: Path, behind: str) -> Generator[str]:
    """The router of vLLM in front of another server."""
    relay = [sys.executable, "-m", "tests.servers.relay", behind, "{port}"]
    with serving(relay, scratch, "/health", PYTHONPATH=str(_ROOT)) as worker:
        command = [str(programs / "vllm-router"), "--worker-urls", worker, "--policy", "round_robin"]
        command += ["--host", "127.0.0.1", "--port", "{port}", "--prometheus-port", str(free_port())]
        with serving(command, scratch, "/health") as url:
            yield url


def _talked(name: str, url: str) -> int:
    """Talk over each API of a server, and print it; how many conversations went wrong."""
    failed = 0
    for each in _SPOKEN[name]:
        api = APIS[each]
        for how in ("agent and SDK", "miniagents chat"):
            _say(f"== {name}, {each}: {how}")
            try:
                if how == "miniagents chat":
                    _say(chat_program(f"{PROGRAM[each]}:{MODEL}", url + api.path))
                else:
                    _say("\n".join(asyncio.run(talk(api, url, MODEL), debug=False)))
            except Exception as error:  # noqa: BLE001 - told, and counted
                failed += 1
                _say(f"!! {type(error).__name__}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(main())

"""`miniagents serve`: an agent of the user's module, or a model, on a web page."""

import asyncio
import html
import logging
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from miniagents.ext.console import Screen
from miniagents.types import InteractiveAgent

from ._arguments import BadInputError, ServeOptions, check_base_url, complain
from ._imports import whole_imports
from ._models import choose_model
from ._named import named_talker
from ._server import About, Place, Serving, address_of, listen, serve_again, serve_page
from ._signals import StoppedError, until_signal

_THREADS_END: Final = 0.3
"""Seconds that threads of agents may still run after everything else has ended."""

_TOKEN: Final = 24  # random bytes, as Jupyter's


def run_serve(options: ServeOptions) -> int:
    """Serve until a signal comes.

    Args:
        options: the arguments of the command line.

    Returns:
        The exit code, with `--reload`; without it, a signal raises `StoppedError`.

    Raises:
        BadInputError: the input is wrong.
        OutputError: stdout cannot be written.
        StoppedError: a signal came.
    """
    token = None if options.no_token else options.token or secrets.token_urlsafe(_TOKEN)
    place = Place(options.host, options.port, token, options.names)
    listener = listen(place)
    with _shower(options) as show:
        if not options.reload:
            _serve(options, place, listener, partial(_tell, show=show))
            return 0
        with listener:
            _tell(address_of(place, listener), show)
            folder = Path.cwd()
            return serve_again(partial(_serve_in_process, options, place), listener, folder, _tell_change)


def _serve_in_process(options: ServeOptions, place: Place, listener: socket.socket) -> None:
    """Serve in a child process; report errors as `main` does."""
    try:
        _serve(options, place, listener, None)
    except BadInputError as error:
        complain(str(error))
        sys.exit(2)
    except StoppedError as stopped:
        sys.exit(stopped.exit_code)


def _serve(
    options: ServeOptions, place: Place, listener: socket.socket, on_start: Callable[[str], object] | None
) -> None:
    async def work() -> None:
        if base_url is not None:
            await check_base_url(base_url)
        await serve_page(serving, place, listener, begin)

    def begin(address: str) -> None:
        if on_start is not None:
            on_start(address)
        complain(notice)

    with listener, _impatient() as end_soon:
        # Errors that any client can cause are not printed.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        # Before the event loop starts, because the imports of users' modules and of providers take seconds.
        with whole_imports():
            serving, notice, base_url = _served(options)
        asyncio.run(_until_signal(work(), end_soon))


async def _until_signal(work: Coroutine[object, object, None], end_soon: Callable[[int], None]) -> None:
    try:
        await until_signal(work, "SIGINT", "SIGTERM", "SIGHUP")
    except StoppedError as stopped:
        end_soon(stopped.exit_code)
        raise


@contextmanager
def _impatient() -> Generator[Callable[[int], None]]:
    """Give a function that ends the process soon, unless the block ends first: threads may run for long."""
    timers: list[threading.Timer] = []

    def end_soon(code: int) -> None:
        timer = threading.Timer(_THREADS_END, os._exit, (code,))
        timer.daemon = True
        timer.start()
        timers.append(timer)

    try:
        yield end_soon
    finally:
        for timer in timers:
            timer.cancel()


def _served(options: ServeOptions) -> tuple[Serving, str, str | None]:
    """What is served, the notice for the user, and the address whose server must answer (or None)."""
    kept = "nothing is kept" if options.history is None else f"conversations are kept in {options.history}"
    if options.agent is not None:
        agent, base_url = named_talker(options.agent), None
        title, about = agent.alias, About(agent.alias, interactive=isinstance(agent, InteractiveAgent))
    else:
        model = choose_model(options, os.environ, is_terminal=True)
        agent, base_url, title = model.agent, model.base_url, model.title
        about = About(model.alias, model.name, model.opening)
    serving = Serving(agent=agent, about=about, history=options.history, journal=options.journal)
    return serving, f"{title} answers; {kept}. Ctrl-C ends it.", base_url


@contextmanager
def _shower(options: ServeOptions) -> Generator[Callable[[str], object] | None]:
    """Give a function that opens an address in a browser; None if none shall be opened.

    The browser gets a file, which only this user can read, and not the address: all users of the machine can
    see the command line of a browser, and the address contains the token.
    """
    if not options.open:
        yield None
        return
    with TemporaryDirectory(prefix="miniagents-", ignore_cleanup_errors=True) as folder:
        page = Path(folder, "open.html")

        def show(address: str) -> None:
            there = html.escape(address)
            refresh = f'<meta http-equiv="refresh" content="0;url={there}">'
            page.write_text(f'<!doctype html>{refresh}<a href="{there}">Open</a>', encoding="utf-8")
            webbrowser.open(page.as_uri())

        yield show


def _tell(address: str, show: Callable[[str], object] | None) -> None:
    Screen.of_process().line(address)
    if show is not None:  # in a thread, because some browsers block the call
        threading.Thread(target=show, args=(address,), daemon=True).start()


def _tell_change(file: Path) -> None:
    complain(f"{file} has changed; the server restarts.")

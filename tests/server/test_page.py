"""The files of the page: as they are, with their types, and nothing else of the disk."""

import asyncio
from pathlib import Path
from zipfile import Path as ZipPath, ZipFile

import httpx2
import pytest
from starlette.applications import Starlette

from miniagents.cli._server._page import page_routes
from miniagents.testing import scripted_model
from tests.support.pages import page_of
from tests.support.web import served


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A page, and what is beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "page"
    (folder / "parts").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>A page</title>")
    (folder / "page.css").write_text("p { color: red }")
    (folder / "parts" / "app.js").write_text("export {};")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "notes.py").write_text("secret")
    (folder / "link.txt").symlink_to("nowhere.txt")
    return folder


async def test_files(tmp_path: Path, files: Path) -> None:
    """Each file comes with its type, what pages may do, and is asked for again only when it has changed."""
    async with page_of(scripted_model(), tmp_path, files=files) as page:
        client = page.client
        index = await client.get("/")
        assert ("<!doctype html><title>A page</title>", 200) == (index.text, index.status_code)
        for path, kind in (
            ("/", "text/html; charset=utf-8"),
            ("/page/index.html", "text/html; charset=utf-8"),
            ("/page/page.css", "text/css; charset=utf-8"),
            ("/page/parts/app.js", "text/javascript; charset=utf-8"),
            ("/page/icon.svg", "image/svg+xml; charset=utf-8"),
        ):
            got = await client.get(path)
            headers = got.headers
            names = ("content-type", "cache-control", "x-content-type-options", "referrer-policy")
            assert [kind, "no-cache", "nosniff", "no-referrer"] == [headers[name] for name in names]
            policy = headers["content-security-policy"]
            assert policy.startswith(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
            )
            assert {"unsafe-inline", "unsafe-eval", "*"}.isdisjoint(policy.replace("'", "").split())
            for tag in (headers["etag"], f'"x", W/{headers["etag"]}', "*"):
                again = await client.get(path, headers={"if-none-match": tag})
                assert (304, "", headers["etag"]) == (again.status_code, again.text, again.headers["etag"])
            assert 200 == (await client.get(path, headers={"if-none-match": '"x"'})).status_code
            head = await client.head(path)
            assert ("", headers["content-length"]) == (head.text, head.headers["content-length"])


async def test_files_in_a_zip(tmp_path: Path) -> None:
    """A13: the files of the page need not be files of their own: a program may be one zip file."""
    with ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("page/index.html", "<!doctype html>in a zip")
        archive.writestr("page/more/app.js", "let a;")
        archive.writestr("page/secret.py", "no")
    app = Starlette(routes=page_routes(ZipPath(tmp_path / "app.zip", "page/")))
    async with served(app) as url, httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
        assert (await client.get("/")).text.endswith("in a zip")
        assert (await client.get("/page/more/app.js")).text == "let a;"
        assert (await client.get("/page/secret.py")).status_code == 404


async def test_no_other_files(tmp_path: Path, files: Path) -> None:
    """No way of writing a path leads out of the folder of the page, or to what is no file of a page."""
    async with page_of(scripted_model(), tmp_path, files=files) as page:
        for path in (
            "/page/../secret.txt",
            "/page/%2e%2e/secret.txt",
            "/page/..%2fsecret.txt",
            "/page/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
            "/page//etc/passwd",
            "/page/parts/../../secret.txt",
            "/page/parts\\..\\..\\secret.txt",
            "/page/parts/",
            "/page/parts",
            "/page/",
            "/page",
            "/page/notes.py",
            "/page/link.txt",
            "/page/index.html%00.js",
            "/page/index.html/",
            "/secret.txt",
            "/index.html",
        ):
            # As it is written: a client would make it shorter.
            reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\nconnection: close\r\n\r\n".encode()
            )
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert answer.split(b" ")[1] in {b"400", b"404"}, path
            assert b"secret" not in answer, path
            assert b"root:" not in answer, path


async def test_no_page(tmp_path: Path) -> None:
    """Without its files a server still has its routes, and says that there is no page."""
    async with page_of(scripted_model(), tmp_path, files=tmp_path / "nowhere") as page:
        assert "no_such_file" == (await page.client.get("/")).json()["error"]["code"]
        assert 200 == (await page.client.get("/api/info")).status_code

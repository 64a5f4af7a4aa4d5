"""The Markdown of the page of `miniagents serve`, in a real browser: what is shown, however it was cut."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import pytest
from playwright.async_api import Page

from tests.support.browser import ONE_BROWSER
from tests.support.page_modules import page_modules

pytestmark = [pytest.mark.gate("starts a browser"), pytest.mark.loop(timeout=120.0), *ONE_BROWSER]

SHOW = """
async ([text, cuts]) => {
  const { Markdown } = await import("/page/markdown.js");
  const root = document.createElement("div");
  const markdown = new Markdown(root);
  let at = 0;
  for (const cut of [...cuts, text.length]) {
    markdown.write(text.slice(at, cut));
    at = cut;
  }
  markdown.end();
  for (const each of root.querySelectorAll("button")) each.remove();
  for (const each of root.querySelectorAll("*"))
    for (const name of ["class", "tabindex", "role", "aria-label", "target", "rel", "scope"]) each.removeAttribute(name);
  return root.innerHTML;
}
"""

SHOWN = [
    ("Hello *you* and **you** `co*d*e` ~~gone~~", "<p>Hello <em>you</em> and <strong>you</strong> <code>co*d*e</code> <del>gone</del></p>"),
    ("snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"),
    ("***both*** *a **b** c*", "<p><em><strong>both</strong></em> <em>a <strong>b</strong> c</em></p>"),
    ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
    ("# Title\ntext\n## Sub ##", "<h3>Title</h3><p>text</p><h4>Sub</h4>"),
    ("#no title, 1986. nor item\n-nor this", "<p>#no title, 1986. nor item<br>-nor this</p>"),
    ("- a\n- b\n  - c\n\n- d\n\nend", "<ul><li><p>a</p></li><li><p>b</p><ul><li><p>c</p></li></ul></li><li><p>d</p></li></ul><p>end</p>"),
    ("2. a\n3. b\n   more", '<ol start="2"><li><p>a</p></li><li><p>b<br>more</p></li></ol>'),
    ("- [ ] to do\n- [x] done", "<ul><li><p>☐ to do</p></li><li><p>☑ done</p></li></ul>"),
    ("> a\n> b\n\nc", "<blockquote><p>a<br>b</p></blockquote><p>c</p>"),
    ("```py\nif 1 < 2:\n    `go`\n\n```\nend", "<figure><figcaption><span>py</span></figcaption><pre><code>if 1 &lt; 2:\n    `go`\n</code></pre></figure><p>end</p>"),
    ("- a\n  ```\n  x\n  ```", "<ul><li><p>a</p><figure><figcaption><span>text</span></figcaption><pre><code>x</code></pre></figure></li></ul>"),
    ("| a | b |\n|---|--:|\n| 1 | `x|y` |\n\nend", "<div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td><code>x|y</code></td></tr></tbody></table></div><p>end</p>"),
    ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
    ("[a *b*](https://c.d/e_(f) 'g')", '<p><a href="https://c.d/e_(f)">a <em>b</em></a></p>'),
    ("(https://c.d/e_(f)), <mailto:a@b.c>.", '<p>(<a href="https://c.d/e_(f)">https://c.d/e_(f)</a>), <a href="mailto:a@b.c">a@b.c</a>.</p>'),
    (r"\(x^2\) and \[a_1 * b_1 * c_1\], not \( this", r"<p><span>\(x^2\)</span> and <span>\[a_1 * b_1 * c_1\]</span>, not ( this</p>"),
    (r"\*no\* &lt;b&gt; \[a](b)", "<p>*no* &lt;b&gt; [a](b)</p>"),
    ("**never closed `nor this", "<p>**never closed `nor this</p>"),
]  # fmt: skip

GROWN = 100
SMALL = 1_500  # characters
# Rule -> its worst text of about so many characters.
WORST: dict[str, Callable[[int], str]] = {
    "delimiters": lambda size: f"a|b\n{' ' * (size // 2)}-{' ' * (size // 2)}x",
    "delimiters in cells": lambda size: "a|b\n" + "| - " * (size // 4) + "x",
    "columns and short rows": lambda size: f"{'|a' * (size // 6)}|\n{'|-' * (size // 6)}|\n" + "b\n" * (size // 6),
    "cells": lambda size: "a|b\n-|-\n" + "`a|" * (size // 3),
    "heading": lambda size: f"# a{' ' * (size // 2)}x{' #' * (size // 4)}x",
    "heading with marks": lambda size: f"# a{' ' * (size // 2)}{'#' * (size // 2)}x",
    "rule": lambda size: f"-{' ' * (size // 2)}-{' ' * (size // 2)}x",
    "rule of many": lambda size: "- " * (size // 2) + "x",
    "undecided": lambda size: (" " * 490 + "x\n") * (size // 492),
    "undecided marks": lambda size: ("- " * 245 + "x\n\n") * (size // 493),
    "fence": lambda size: "`" * (size // 2) + "a" * (size // 2) + "`",
    "code": lambda size: "```\n" + "a\n" * (size // 2),
    "indented code": lambda size: "```\n" + (" " * 400 + "a\n") * (size // 402),
    "lines": lambda size: "a\n" * (size // 2),
    "items": lambda size: "- a\n  " * (size // 6),
    "quotes": lambda size: "> " * (size // 2) + "a",
    "address with )": lambda size: ("http://a/" + ")" * 1_980 + "x ") * (size // 1_991 + 1),
    "address with dots": lambda size: ("http://a/" + "." * 1_980 + "x ") * (size // 1_991 + 1),
    "no addresses": lambda size: "https://%" * (size // 9),
    "pointed": lambda size: "<http://" * (size // 8),
    "open links": lambda size: "[a](b" * (size // 5),
    "links to nowhere": lambda size: "[a](" * (size // 4) + ")",
    "open brackets around links": lambda size: "[" * (size // 2) + "[a](http://b)" * (size // 26),
    "nested images": lambda size: "![" * (size // 16) + "a" + "](http://b.c)" * (size // 16),
    "images in images": lambda size: "![*a " * (size // 18) + "](http://b.c)" * (size // 18),
    "code spans": lambda size: " ".join("`" * count for count in range(int((2 * size) ** 0.5))),
    "ticks": lambda size: "`a``" * (size // 4),
    "emphasis": lambda size: "*a " * (size // 3),
    "emphasis that closes": lambda size: "a* " * (size // 3),
    "emphasis of both kinds": lambda size: "*a_ " * (size // 4) + "_a* " * (size // 4),
    "emphasis of all lengths": lambda size: "a**b" + "c* " * (size // 3),
    "one long run": lambda size: "*" * (size // 2) + "a" + "*" * (size // 2),
    "struck": lambda size: "~~a" * (size // 3),
    "entities": lambda size: "& " * (size // 2),
    "escapes": lambda size: "\\" * size,
    "formulas": lambda size: "\\(" * (size // 2),
    "formulas with the other end": lambda size: "\\(a\\]" * (size // 5),
}  # fmt: skip

HARMLESS = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "</p></div><style>*{display:none}</style>",
    "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,<script>alert(1)</script>)",
    "[a]( java\tscript:alert(1)) [b](//evil.example) [c](/api/threads) [d](vbscript:x) [e](blob:x)",
    "<javascript:alert(1)> javascript:alert(1)",
    "![a](https://evil.example/track.png) ![b](data:image/svg+xml,<svg onload=alert(1)>)",
    '[a](https://x.y/"onmouseover="alert(1)) [b](https://x.y "t" onclick=alert(1))',
    "```<script>\n</code></pre><script>alert(1)</script>\n```",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "[<img src=x onerror=alert(1)>](https://x.y)",
]


async def shown(page: Page, text: str, cuts: Sequence[int] = ()) -> str:
    """What is shown of a text that came in these pieces."""
    return cast("str", await page.evaluate(SHOW, [text, list(cuts)]))


async def test_what_is_shown() -> None:
    """What CommonMark and the tables of GitHub have is shown as they say; each line of a paragraph is one."""
    async with page_modules() as page:
        for text, expected in SHOWN:
            assert expected == await shown(page, text), text


async def test_pieces() -> None:
    """In whatever pieces a text comes, in the end the same is shown."""
    draw = random.Random(15)  # noqa: S311 - no secret
    async with page_modules() as page:
        for text in [*(text for text, _ in SHOWN), *HARMLESS, "\n".join(text for text, _ in SHOWN)]:
            whole = await shown(page, text)
            assert whole == await shown(page, text, range(len(text))), text
            for _ in range(5):
                cuts = sorted(draw.sample(range(len(text)), draw.randint(1, min(20, len(text)))))
                assert whole == await shown(page, text, cuts), (text, cuts)


async def test_while_it_comes() -> None:
    """What has begun to be strong is shown so before it is closed; a mark that may become something waits."""
    async with page_modules() as page:
        open_now = SHOW.replace("markdown.end();", "")
        for text, expected in [
            ("so **stro", "<p>so <strong>stro</strong></p>"),
            ("a\n\n-", "<p>a</p>"),
            ("``", ""),
            ("1", ""),
        ]:
            assert expected == await page.evaluate(open_now, [text, []])


async def test_nothing_becomes_html() -> None:
    """Tags, scripts, addresses that do something and foreign images stay text; links are of known kinds."""
    found = """
    async (text) => {
      const { Markdown } = await import("/page/markdown.js");
      const markdown = new Markdown(document.body);
      markdown.write(text);
      markdown.end();
      const bad = [...document.body.querySelectorAll("*")].filter(
        (each) =>
          !/^(P|A|EM|STRONG|CODE|PRE|FIGURE|FIGCAPTION|SPAN|BUTTON|DIV|TABLE|T[HDR]|THEAD|TBODY|BR)$/.test(each.tagName) ||
          [...each.attributes].some((one) => one.name.startsWith("on") || one.name === "style" || one.name === "src") ||
          (each.tagName === "A" && (!/^(https?|mailto):/.test(each.href) || each.rel !== "noopener noreferrer")),
      );
      const said = document.body.innerText;
      document.body.replaceChildren();
      return [bad.map((each) => each.outerHTML), said];
    }
    """
    alerts: list[str] = []
    async with page_modules() as page:
        page.on("dialog", lambda dialog: alerts.append(dialog.message))
        for text in HARMLESS:
            bad, said = cast("tuple[list[str], str]", await page.evaluate(found, text))
            assert bad == [], text
            assert "alert" not in text or "alert(1)" in said
    assert alerts == []


async def test_a_deep_one() -> None:
    """No text makes elements deeper in each other than a browser can show."""
    depth = """
    async (text) => {
      const { Markdown } = await import("/page/markdown.js");
      const root = document.createElement("div");
      const markdown = new Markdown(root);
      markdown.write(text);
      markdown.end();
      let deepest = 0;
      for (const each of root.querySelectorAll("*")) {
        let depth = 0;
        for (let up = each; up !== root; up = up.parentNode) depth += 1;
        deepest = Math.max(deepest, depth);
      }
      return [deepest, root.textContent.replaceAll(/[^a]/g, "").length];
    }
    """
    async with page_modules() as page:
        for text in (
            f"{'> ' * 400}a",
            "- " * 240 + "a",
            f"{'*b ' * 2000}a{' b*' * 2000}",
            f"{'**' * 999}a{'**' * 999}",
        ):
            deepest, said = cast("tuple[int, int]", await page.evaluate(depth, text))
            assert deepest < 60
            assert said == 1


async def cost(page: Page, script: str, text: str) -> float:
    """Microseconds of the processor for a character, whatever else the machine does.

    Args:
        page: where it is run.
        script: a function of the text that returns how often it has read it.
        text: any.
    """
    session = await page.context.new_cdp_session(page)
    send = cast("Callable[..., Awaitable[dict[str, list[dict[str, object]]]]]", session.send)  # pyright: ignore[reportUnknownMemberType]
    await send("Performance.enable", {"timeDomain": "threadTicks"})

    async def used() -> float:
        metrics = (await send("Performance.getMetrics"))["metrics"]
        return next(cast("float", each["value"]) for each in metrics if each["name"] == "ThreadTime")

    began = await used()
    times = cast("int", await page.evaluate(script, text))
    took = await used() - began
    await session.detach()
    return took * 1e6 / times / len(text)


async def test_no_text_is_slow() -> None:
    """Texts that are made to be slow cost milliseconds a piece, however long they are."""
    write = """
    async (text) => {
      const { Markdown } = await import("/page/markdown.js");
      const markdown = new Markdown(document.createElement("div"));
      for (let at = 0; at < text.length; at += 1000) {
        markdown.write(text.slice(at, at + 1000));
      }
      return 1;
    }
    """
    signs = [
        "*",
        "*a ",
        "[",
        "[a](b",
        "_a",
        "`a",
        ">",
        "- ",
        "|",
        "<http://",
        "&",
        "word ",
        "a",
        "**a ",
        "~~a",
    ]
    texts = [sign * (120_000 // len(sign)) for sign in signs]
    texts += [" ".join("`" * count for count in range(280)), "**a" * 20_000 + "a**" * 20_000]
    texts += ["| a " * 5_000 + "\n" + "|-" * 5_000 + "\n", "```\n" * 30_000, "- a\n  " * 20_000]
    async with page_modules() as page:
        for text in texts:
            took = await cost(page, write, text)
            assert took < 60, text[:20]  # 14 at most on a machine that does nothing else


async def test_every_rule_is_linear() -> None:
    """P1: the worst text of each rule of the reader, 100 times as long, takes some 100 times as long."""
    read = """
    async (text) => {
      const { Markdown } = await import("/page/markdown.js");
      const began = performance.now();
      let times = 0;
      do {
        const markdown = new Markdown(document.createElement("div"));
        markdown.write(text);
        markdown.end();
        times += 1;
      } while (performance.now() - began < 20);
      return times;
    }
    """
    async with page_modules() as page:
        page.set_default_timeout(20_000)
        slow: dict[str, str] = {}
        for rule, text in WORST.items():
            for _ in range(5):  # a machine that does something else is no fault of the rule
                # In microseconds a character; a rule that is not linear has 10 * small, then 100 * small.
                sizes = (SMALL, SMALL * 10, SMALL * GROWN)
                small, more, grown = [await cost(page, read, text(size)) for size in sizes]
                slow[rule] = f"{small:.2f}, {more:.2f}, {grown:.2f} µs a character"
                if grown <= 5 * small + 2 and max(small, more, grown) <= 40:
                    del slow[rule]
                    break
        assert slow == {}

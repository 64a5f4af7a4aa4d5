"""The Markdown of the page of `miniagents serve`, in a real browser: what is shown, however it was cut."""

import random
from collections.abc import Sequence
from typing import cast

import pytest
from playwright.async_api import Page

from tests.support.page_modules import page_modules

pytestmark = [pytest.mark.gate("starts a browser"), pytest.mark.loop(timeout=120.0)]

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
    (r"\*no\* &lt;b&gt; \[a](b)", "<p>*no* &lt;b&gt; [a](b)</p>"),
    ("**never closed `nor this", "<p>**never closed `nor this</p>"),
]  # fmt: skip

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


async def test_no_text_is_slow() -> None:
    """Texts that are made to be slow cost milliseconds a piece, however long they are."""
    mean = """
    async (text) => {
      const { Markdown } = await import("/page/markdown.js");
      const markdown = new Markdown(document.createElement("div"));
      const began = performance.now();
      for (let at = 0; at < text.length; at += 1000) {
        markdown.write(text.slice(at, at + 1000));
      }
      return ((performance.now() - began) * 1000) / text.length;
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
            took = cast("float", await page.evaluate(mean, text))
            assert took < 60, text[:20]  # 14 at most on a machine that does nothing else

// Streaming Markdown as elements. Lines are read once: elements above the current one are never made again,
// so that a long answer costs as much at its end as at its beginning.
//
// Every rule takes time in proportion to the text, whatever the text is: a model may quote a hostile page. So no
// regular expression here has two neighbours that match the same character, and none with a "+" or "*" is searched
// for at every place of a text (` +$` is quadratic; `trimEnd` is not).

import { GrowingText, copyButton, element } from "./dom.js";
import { inline } from "./inline.js";

const DEEPEST = 12; // nested lists and quotes
const LONGEST_HELD = 500; // characters of a line whose kind is not yet known
const LONGEST_ROW = 20_000; // characters of the row under the head of a table
const MOST_SPANNED = 1_000; // columns of a cell, as HTML has it
const LONG = 2_000; // characters of a paragraph that are made anew; of more, the settled ones are left alone
const LONGEST = 10_000; // and so many at most, settled or not

const ITEM = /^( {0,5})([-+*]|(\d{1,9})([.)]))(?: +|$)/;
const QUOTE = /^ {0,3}> ?/;
const RULE = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const HEADING = /^ {0,3}(#{1,6})(?: +|$)/;
const FENCE = /^( {0,5})(`{3,}(?=[^`]*$)|~{3,}) *([^\s`]*)/;
const DELIMITERS = /^\|? *:?-+:? *(?:\| *:?-+:? *)*\|?$/; // of a line without spaces around it
const MARKS = /^[-*_ ]*$/;
const TASK = /^\[([ xX])\] +/;

// The beginning of a line that may still become something else: "-" a rule or an item, "1" an item, ... Read in three
// steps: what stands before, items, and the rest without the spaces at its end.
const BEFORE = /^[ >]*/;
const ITEMS = /(?:(?:[-+*]|\d{1,9}[.)]) +)*/y;
const UNDECIDED = /^(?:#{1,6}|[-*_=+~`]{0,2}|[-*_ ]+|\d{1,9}[.)]?|`{3,}[^`]*|~{3,}.*|\|.*|[|: -]+|\[[ xX]?\]?)$/;
const MAYBE_END_OF_CODE = /^[ >]*(?:[`~]+ *)?$/;

function undecided(line) {
  ITEMS.lastIndex = BEFORE.exec(line)[0].length;
  ITEMS.test(line);
  return UNDECIDED.test(line.slice(ITEMS.lastIndex).trimEnd());
}

/** Renders Markdown into an element while it streams. */
export class Markdown {
  #root;
  #stack = []; // the quotes and items that are open: {kind, node, need, list, ordered}
  #leaf = null; // the paragraph, heading, code or table that is open
  #held = ""; // the beginning of a line whose kind is not yet known
  #inLine = false; // the line has begun, and what comes belongs to the leaf

  /** @param {Element} root - where the elements are put. */
  constructor(root) {
    this.#root = root;
  }

  /** Add a piece of the text, of any length. */
  write(text) {
    const more = text.replaceAll("\r", "").replaceAll("\t", "    ");
    if (this.#leaf instanceof Table && !this.#inLine && !more.includes("\n")) {
      this.#held += more; // rows come whole; a long one is not read again for each piece
      return;
    }
    const all = this.#held + more;
    this.#held = "";
    let at = 0;
    while (at < all.length) {
      const end = all.indexOf("\n", at);
      const line = all.slice(at, end < 0 ? all.length : end);
      if (end < 0 && !this.#inLine && this.#isUndecided(line)) {
        this.#held = line;
        break;
      }
      this.#take(line, end >= 0);
      at = end < 0 ? all.length : end + 1;
    }
    this.#leaf?.show(true);
  }

  /** The text is complete. */
  end() {
    if (this.#held) this.#take(this.#held, true);
    this.#held = "";
    this.#close(0);
  }

  #isUndecided(line) {
    if (this.#leaf instanceof Table) return true;
    if (this.#leaf instanceof Code) return line.length < LONGEST_HELD && MAYBE_END_OF_CODE.test(line);
    return line.length < LONGEST_HELD && undecided(line);
  }

  #take(line, complete) {
    if (!this.#inLine) this.#begin(line);
    else if (this.#leaf) this.#leaf.add(line);
    else if (!MARKS.test(line)) this.#openLeaf(line, this.#stack.length, true); // a long line that seemed to be a rule
    this.#inLine = !complete;
    if (complete && this.#leaf instanceof Heading) this.#closeLeaf();
  }

  #begin(line) {
    const [depth, rest] = this.#matched(line);
    const all = depth === this.#stack.length;
    if (this.#leaf instanceof Code) {
      if (all) {
        if (this.#leaf.ends(rest)) this.#closeLeaf();
        else this.#leaf.line(rest);
        return;
      }
      this.#closeLeaf();
    }
    if (!rest.trim()) this.#close(depth);
    else this.#open(rest, depth);
  }

  /** Return which of the open quotes and items a line belongs to, and its text inside of them. */
  #matched(line) {
    let rest = line;
    let depth = 0;
    for (const container of this.#stack) {
      if (container.kind === "quote") {
        const mark = QUOTE.exec(rest);
        if (!mark) break;
        rest = rest.slice(mark[0].length);
      } else if (rest.trim()) {
        if (indent(rest) < container.need) break;
        rest = rest.slice(container.need);
      }
      depth += 1;
    }
    return [depth, rest];
  }

  #open(line, matched) {
    let rest = line;
    let depth = matched;
    let opened = false;
    while (depth < DEEPEST) {
      const quote = QUOTE.exec(rest);
      const item = quote || RULE.test(rest) ? null : ITEM.exec(rest);
      if (!quote && !(item && this.#mayBegin(item, rest, opened))) break;
      if (quote) this.#openQuote(depth);
      else this.#openItem(depth, item);
      rest = rest.slice((quote ?? item)[0].length);
      depth += 1;
      opened = true;
    }
    if (opened) rest = rest.replace(TASK, (_, mark) => (mark === " " ? "☐ " : "☑ "));
    if (rest.trim()) this.#openLeaf(rest, depth, opened);
  }

  /** Whether a line after a paragraph begins a list: then it needs a text, and must be the first item. */
  #mayBegin(item, rest, opened) {
    if (opened || !(this.#leaf instanceof Paragraph) || this.#stack.length) return true;
    return rest.length > item[0].length && (item[3] === undefined || Number(item[3]) === 1);
  }

  #openQuote(depth) {
    this.#close(depth);
    const node = element("blockquote");
    this.#parent(depth).append(node);
    this.#stack.push({ kind: "quote", node });
  }

  #openItem(depth, item) {
    const [, before, mark, number, dot] = item;
    const kind = dot ?? mark;
    const sibling = this.#stack[depth];
    let list = sibling?.mark === kind ? sibling.list : null;
    this.#close(depth);
    if (list === null) {
      list = number === undefined ? element("ul") : element("ol", { start: number === "1" ? null : Number(number) });
      this.#parent(depth).append(list);
    }
    const node = element("li");
    list.append(node);
    // Models indent by two where the mark is wider: that is meant to be inside.
    this.#stack.push({ kind: "item", node, list, mark: kind, need: before.length + 2 });
  }

  #openLeaf(rest, depth, opened) {
    const fence = FENCE.exec(rest);
    if (fence) return this.#put(depth, new Code(fence));
    const heading = HEADING.exec(rest);
    if (heading) {
      this.#put(depth, new Heading(heading[1].length));
      return this.#leaf.add(rest.slice(heading[0].length));
    }
    if (!opened && this.#leaf instanceof Paragraph && this.#leaf.mayBeHead(rest)) {
      const parent = this.#leaf.node;
      this.#leaf = new Table(this.#leaf.text, rest);
      parent.replaceWith(this.#leaf.node);
      return undefined;
    }
    if (RULE.test(rest)) {
      this.#close(depth);
      return this.#parent(depth).append(element("hr"));
    }
    if (!opened && this.#leaf instanceof Table && depth === this.#stack.length) return this.#leaf.row(rest);
    if (!opened && this.#leaf instanceof Paragraph) return this.#leaf.addLine(rest.trimStart());
    this.#put(depth, new Paragraph());
    return this.#leaf.add(rest.trimStart());
  }

  #put(depth, leaf) {
    this.#close(depth);
    this.#parent(depth).append(leaf.node);
    this.#leaf = leaf;
  }

  #parent(depth) {
    return depth ? this.#stack[depth - 1].node : this.#root;
  }

  #closeLeaf() {
    this.#leaf?.show(false);
    this.#leaf = null;
  }

  #close(depth) {
    this.#closeLeaf();
    this.#stack.length = Math.min(this.#stack.length, depth);
  }
}

class Paragraph {
  #isOneLine = true;
  #isCut = false; // its beginning is settled, and no longer in `text`
  #open = []; // the nodes of `text`

  constructor(node = element("p")) {
    this.node = node;
    this.text = ""; // the text that may still change
    this.shown = null;
  }

  add(text) {
    this.text += text;
  }

  addLine(text) {
    this.#isOneLine = false;
    this.text += `\n${text}`;
  }

  mayBeHead(line) {
    if (!this.#isOneLine || this.#isCut || line.length >= LONGEST_ROW || !this.text.includes("|")) return false;
    const delimiters = line.trim();
    return DELIMITERS.test(delimiters) && cells(this.text).length === cells(delimiters).length;
  }

  show(open) {
    if (this.text === this.shown && open) return;
    for (const each of this.#open) each.remove();
    while (open && this.text.length > LONG) {
      const cut = this.#cut();
      if (!cut) break;
      this.node.append(inline(this.text.slice(0, cut)).nodes);
      this.text = this.text.slice(cut);
      this.#isCut = true;
    }
    const { nodes } = inline(this.text.trimEnd(), open);
    this.#open = [...nodes.childNodes];
    this.node.append(nodes);
    this.shown = this.text;
  }

  /** Where what is settled ends: in front of a word, so that marks mean the same on both sides. */
  #cut() {
    const tooLong = this.text.length > LONGEST;
    const { settled } = inline(this.text.slice(0, LONGEST), true);
    const end = tooLong ? LONGEST : Math.min(settled, this.text.length - 1);
    const space = Math.max(this.text.lastIndexOf(" ", end - 1), this.text.lastIndexOf("\n", end - 1));
    if (space > LONG / 2) return space;
    return tooLong ? end : 0;
  }
}

class Heading extends Paragraph {
  constructor(level) {
    // Below the title of the page and the names of who speaks.
    super(element(`h${Math.min(level + 2, 6)}`));
  }

  show(open) {
    if (!open) this.text = withoutMarks(this.text);
    super.show(open);
  }
}

/** A heading without the # at its end, which need a space in front of them. */
function withoutMarks(text) {
  const whole = text.trimEnd();
  let end = whole.length;
  while (whole[end - 1] === "#") end -= 1;
  return end < whole.length && whole[end - 1] === " " ? whole.slice(0, end).trimEnd() : text;
}

class Code {
  #text;
  #indent;
  #end;
  #begun = false;

  constructor([, before, fence, language]) {
    this.#indent = before.length;
    this.#end = new RegExp(`^ {0,5}${fence[0]}{${fence.length},} *$`);
    const code = element("code");
    this.#text = new GrowingText(code);
    this.node = element(
      "figure.code",
      {},
      element("figcaption", {}, element("span", {}, language || "text"), copyButton(() => this.#text.all)),
      element("pre", { tabindex: "0", role: "group", "aria-label": language ? `Code in ${language}` : "Code" }, code),
    );
  }

  ends(line) {
    return this.#end.test(line);
  }

  line(text) {
    if (this.#begun) this.add("\n");
    this.#begun = true;
    this.add(text.slice(Math.min(indent(text), this.#indent)));
  }

  add(text) {
    this.#text.add(text);
  }

  show() {} // it is
}

class Table {
  #body = element("tbody");
  #sides;

  constructor(head, delimiters) {
    this.#sides = cells(delimiters).map((cell) => `${cell.startsWith(":") ? "l" : ""}${cell.endsWith(":") ? "r" : ""}`);
    const row = this.#cells("th", head);
    for (const cell of row) cell.scope = "col";
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...row)), this.#body);
    this.node = element("div.table", { tabindex: "0", role: "group", "aria-label": "Table" }, table);
  }

  row(text) {
    this.#body.append(element("tr", {}, ...this.#cells("td", text)));
  }

  #cells(name, text) {
    const said = cells(text).slice(0, this.#sides.length);
    const row = said.map((each, at) => {
      const side = this.#sides[at];
      const cell = element(side === "lr" ? `${name}.middle` : side === "r" ? `${name}.right` : name);
      cell.append(inline(each).nodes);
      return cell;
    });
    // One for all that are missing: many short rows below a long head are not a cell for each pair.
    const missing = this.#sides.length - said.length;
    if (missing) row.push(element(name, { colspan: Math.min(missing, MOST_SPANNED) }));
    return row;
  }

  add() {}

  show() {}
}

function indent(text) {
  return text.length - text.trimStart().length;
}

/** The cells of a row; a bar in code or after a backslash does not separate cells. */
function cells(row) {
  const text = row.trim().replace(/^\|/, "");
  const found = [""];
  for (const [piece] of text.matchAll(/\\.|`+[^`]*`+|\||[^\\`|]+|./gs)) {
    if (piece === "|") found.push("");
    else found[found.length - 1] += piece === "\\|" ? "|" : piece;
  }
  if (found.length > 1 && !found.at(-1).trim()) found.pop();
  return found.map((cell) => cell.trim());
}

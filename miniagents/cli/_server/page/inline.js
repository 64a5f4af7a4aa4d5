// Markdown within a paragraph, as nodes. There is no HTML in it: a tag is the text that was written.

import { element, link, safeAddress } from "./dom.js";

// Every rule takes time in proportion to the text: what was looked for in vain is not looked for again.

const SPECIAL = /[\\`*_~[\]!<&\n]|https?:\/\//g;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const DEEPEST = 12; // nested elements; deeper ones are shown flat
const LONGEST_ADDRESS = 2000;

/**
 * Read a text.
 *
 * @param {string} text - the Markdown.
 * @param {boolean} [open] - more may come: what has begun to be strong is shown so already.
 * @returns {{nodes: DocumentFragment, settled: number}} what it shows, and the position before which nothing
 *   that comes later can change it.
 */
export function inline(text, open = false) {
  const reader = new Reader(text);
  reader.read();
  const settled = reader.settle(open);
  return { nodes: built(reader.pieces), settled };
}

// A piece is {text}, {node}, {open: tag, address}, {close: true}, a run of * _ ~ or a bracket.

class Reader {
  constructor(text) {
    this.text = text;
    this.pieces = [];
    this.brackets = []; // those that are open: [piece, its index, how many runs there were before it]
    this.runs = []; // of * _ ~ that nothing was matched with yet, outside of links that are closed
    this.inactive = 0; // so many brackets are around a link, which may not be in a link itself
    this.ticks = null; // length -> where runs of so many backticks begin
    this.noMath = new Set(); // ends of formulas that do not come any more
    this.noAddress = 0; // before this position, no address begins
    this.unclosed = text.length; // where the first code, formula or link begins that is not closed yet
  }

  read() {
    const { text } = this;
    let at = 0;
    while (at < text.length) {
      SPECIAL.lastIndex = at;
      const found = SPECIAL.exec(text);
      if (found === null) break;
      if (found.index > at) this.say(text.slice(at, found.index));
      at = this.special(found.index, found[0]);
    }
    this.say(text.slice(at));
  }

  say(text) {
    if (!text) return;
    const last = this.pieces.at(-1);
    if (last?.text === undefined) this.pieces.push({ text });
    else last.text += text;
  }

  special(at, what) {
    switch (what) {
      case "\\":
        return this.escape(at);
      case "`":
        return this.code(at);
      case "*":
      case "_":
      case "~":
        return this.run(at, what);
      case "!":
        if (this.text[at + 1] === "[") return this.bracket(at, "![");
        break;
      case "[":
        return this.bracket(at, "[");
      case "]":
        return this.closeBracket(at);
      case "<":
        return this.autolink(at);
      case "&":
        return this.entity(at);
      case "\n":
        this.pieces.push({ node: element("br") }); // in a chat, line breaks are meant
        return at + 1;
      default:
        return this.address(at);
    }
    this.say(what);
    return at + 1;
  }

  escape(at) {
    const next = this.text[at + 1];
    if (next === "\n") return at + 1;
    if (next === "(" || next === "[") {
      const end = this.formula(at, next === "(" ? "\\)" : "\\]");
      if (end) return end;
    }
    if (next === undefined || !ESCAPABLE.test(next)) {
      this.say("\\");
      return at + 1;
    }
    this.say(next);
    return at + 2;
  }

  /** Show a formula as it was written: its marks are no emphasis. Return its end; 0 if it is not closed. */
  formula(at, mark) {
    const end = this.noMath.has(mark) ? -1 : this.text.indexOf(mark, at + 2);
    if (end < 0) {
      this.noMath.add(mark);
      this.unclosed = Math.min(this.unclosed, at);
      return 0;
    }
    this.pieces.push({ node: element("span.math", {}, this.text.slice(at, end + 2)) });
    return end + 2;
  }

  code(at) {
    const { text } = this;
    let begin = at;
    while (text[begin] === "`") begin += 1;
    const length = begin - at;
    const end = this.closingTicks(begin, length);
    if (end < 0) {
      this.unclosed = Math.min(this.unclosed, at);
      this.say(text.slice(at, begin));
      return begin;
    }
    let said = text.slice(begin, end).replaceAll("\n", " ");
    if (said.startsWith(" ") && said.endsWith(" ") && said.trim()) said = said.slice(1, -1);
    this.pieces.push({ node: element("code", {}, said) });
    return end + length;
  }

  closingTicks(from, length) {
    if (this.ticks === null) {
      this.ticks = new Map();
      for (const { 0: run, index } of this.text.matchAll(/`+/g)) {
        const known = this.ticks.get(run.length);
        if (known) known.push(index);
        else this.ticks.set(run.length, [index]);
      }
      for (const known of this.ticks.values()) known.reverse(); // the next one is the last
    }
    const next = this.ticks.get(length) ?? [];
    while (next.length && next.at(-1) < from) next.pop();
    return next.at(-1) ?? -1;
  }

  run(at, char) {
    const { text } = this;
    let end = at;
    while (text[end] === char) end += 1;
    const count = end - at;
    if (char === "~" && count !== 2) {
      this.say(text.slice(at, end));
      return end;
    }
    const before = text[at - 1] ?? " ";
    const after = text[end] ?? " ";
    const [spaceBefore, spaceAfter] = [/\s/.test(before), /\s/.test(after)];
    const [markBefore, markAfter] = [PUNCTUATION.test(before), PUNCTUATION.test(after)];
    const left = !spaceAfter && (!markAfter || spaceBefore || markBefore);
    const right = !spaceBefore && (!markBefore || spaceAfter || markAfter);
    const word = char === "_"; // snake_case is not emphasis
    const piece = {
      run: char,
      at,
      count,
      length: count,
      opens: left && (!word || !right || markBefore),
      closes: right && (!word || !left || markAfter),
      opened: [],
      closed: 0,
    };
    this.pieces.push(piece);
    this.runs.push(piece);
    return end;
  }

  bracket(at, text) {
    const piece = { bracket: text, at };
    this.brackets.push([piece, this.pieces.length, this.runs.length]);
    this.pieces.push(piece);
    return at + text.length;
  }

  closeBracket(at) {
    const top = this.brackets.pop();
    const active = top && (top[0].bracket === "![" || this.brackets.length >= this.inactive);
    this.inactive = Math.min(this.inactive, this.brackets.length);
    const target = active && this.text[at + 1] === "(" ? destination(this.text, at + 2) : null;
    const address = target && safeAddress(target.address);
    if (!address) {
      const rest = this.text[at + 1];
      if (top && !target && (rest === undefined || rest === "(")) this.unclosed = Math.min(this.unclosed, top[0].at);
      this.say("]");
      return at + 1;
    }
    const [piece, index, runs] = top;
    emphasize(this.runs.splice(runs));
    if (piece.bracket === "![" && this.pieces.length === index + 1) this.say(address);
    this.pieces[index] = { open: "a", address };
    this.pieces.push({ close: true });
    this.inactive = this.brackets.length; // no link inside a link
    return target.end;
  }

  autolink(at) {
    const match = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/.exec(this.text.slice(at, at + LONGEST_ADDRESS));
    const address = match && safeAddress(match[1]);
    if (!address) {
      this.say("<");
      return at + 1;
    }
    this.pieces.push({ open: "a", address }, { text: match[1].replace(/^mailto:/, "") }, { close: true });
    return at + match[0].length;
  }

  address(at) {
    const found = /^https?:\/\/[^\s<>"`\]\\]*/.exec(this.text.slice(at, at + LONGEST_ADDRESS))[0];
    const said = withoutEnd(found);
    const address = said.length > 8 && at >= this.noAddress ? safeAddress(said) : null;
    if (address === null) {
      if (said.length > 8) this.noAddress = Math.max(this.noAddress, at + found.length);
      const scheme = this.text.slice(at, this.text.indexOf("//", at) + 2);
      this.say(scheme);
      return at + scheme.length;
    }
    this.pieces.push({ open: "a", address }, { text: said }, { close: true });
    return at + said.length;
  }

  entity(at) {
    const match = /^&(\w{2,4});/.exec(this.text.slice(at, at + 6));
    const said = match && Object.hasOwn(ENTITIES, match[1]) ? ENTITIES[match[1]] : null;
    this.say(said ?? "&");
    return at + (said === null ? 1 : match[0].length);
  }

  settle(open) {
    const left = emphasize(this.runs);
    const first = left[0]?.at;
    if (open) {
      for (const run of left) {
        if (run.run === "*" && run.count === 2) {
          run.opened.push("strong");
          run.count = 0;
        }
      }
    }
    return Math.min(this.unclosed, first ?? Infinity, this.brackets[0]?.[0].at ?? Infinity);
  }
}

/** An address without the signs of the sentence around it, and without a ")" that closes nothing in it. */
function withoutEnd(said) {
  let extra = 0;
  for (const char of said) extra += char === ")" ? 1 : char === "(" ? -1 : 0;
  let end = said.length;
  while (end && (".,;:!?*_~'|".includes(said[end - 1]) || (said[end - 1] === ")" && extra > 0))) {
    end -= 1;
    if (said[end] === ")") extra -= 1;
  }
  return said.slice(0, end);
}

/** Read the parentheses of a link: the address, and a title, which is not shown. */
function destination(text, from) {
  const part = text.slice(from, from + LONGEST_ADDRESS);
  const pointed = /^\s*<([^<>\n]*)>/.exec(part);
  const begin = /^\s*/.exec(part)[0].length;
  const end = pointed ? pointed[0].length : endOfAddress(part, begin);
  const close = /^(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/.exec(part.slice(end));
  return close && { address: pointed ? pointed[1] : part.slice(begin, end), end: from + end + close[0].length };
}

/** Find the end of an address, which may contain parentheses in pairs. */
function endOfAddress(part, begin) {
  let depth = 0;
  let at = begin;
  for (; at < part.length && !/[\s<>"]/.test(part[at]); at += 1) {
    if (part[at] === "(") depth += 1;
    else if (part[at] === ")") depth -= 1;
    if (depth < 0 || depth > DEEPEST) break;
  }
  return at;
}

/** Match the runs of * _ ~ with each other, as CommonMark does; return those that may still open something. */
function emphasize(runs) {
  const stack = [];
  const bottoms = new Map(); // what closes -> how much of the stack is known to have nothing for it
  for (const run of runs) {
    if (run.closes) close(run, stack, bottoms);
    if (run.opens && run.count) stack.push(run);
  }
  return stack;
}

function close(piece, stack, bottoms) {
  const key = `${piece.run}${piece.opens}${piece.length % 3}`;
  while (piece.count) {
    let at = stack.length - 1;
    const bottom = bottoms.get(key) ?? 0;
    while (at >= bottom && !pairs(stack[at], piece)) at -= 1;
    if (at < bottom) {
      bottoms.set(key, stack.length);
      return;
    }
    const opener = stack[at];
    const used = piece.run === "~" || (opener.count > 1 && piece.count > 1) ? 2 : 1;
    opener.opened.push(piece.run === "~" ? "del" : used === 2 ? "strong" : "em");
    opener.count -= used;
    piece.count -= used;
    piece.closed += 1;
    stack.length = opener.count ? at + 1 : at;
    for (const [each, known] of bottoms) if (known > stack.length) bottoms.set(each, stack.length);
  }
}

function pairs(opener, closer) {
  if (opener.run !== closer.run) return false;
  const both = opener.closes || closer.opens;
  return !both || (opener.length + closer.length) % 3 !== 0 || (opener.length % 3 === 0 && closer.length % 3 === 0);
}

function built(pieces) {
  const nodes = document.createDocumentFragment();
  const stack = [nodes];
  let flat = 0; // elements that are open and not made, because they are too deep
  let linked = 0; // how deep in a link
  let text = ""; // what was not appended yet: a text node for each piece would be slow to join
  const say = () => {
    if (text) stack.at(-1).append(text);
    text = "";
  };
  const open = (tag, address) => {
    if (stack.length > DEEPEST || (tag === "a" && linked)) {
      flat += 1;
      return;
    }
    say();
    const made = tag === "a" ? link(address) : element(tag);
    if (tag === "a") linked = stack.length;
    stack.at(-1).append(made);
    stack.push(made);
  };
  const close = () => {
    if (flat) flat -= 1;
    else if (stack.length > 1) {
      say();
      stack.pop();
      if (linked === stack.length) linked = 0;
    }
  };
  for (const piece of pieces) {
    if (piece.text !== undefined) text += piece.text;
    else if (piece.node) {
      say();
      stack.at(-1).append(piece.node);
    } else if (piece.open) open(piece.open, piece.address);
    else if (piece.close) close();
    else if (piece.bracket) text += piece.bracket;
    else {
      for (let each = 0; each < piece.closed; each += 1) close();
      if (piece.count) text += piece.run.repeat(piece.count);
      for (const tag of piece.opened.reverse()) open(tag);
    }
  }
  say();
  return nodes;
}

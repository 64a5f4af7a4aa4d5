// A message of an agent, made of its parts. The same code shows parts that stream and parts of the history.

import { GrowingText, copyButton, element, link, safeAddress } from "./dom.js";
import { parse, written } from "./json.js";
import { Markdown } from "./markdown.js";

const IMAGE = /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/; // shown as pictures; SVG is a document, and is offered as a file
const NOT_MADE = { rejected: "rejected", expired: "not allowed in time" };
const CUT = new Set(["length", "max_tokens", "max_output_tokens", "content_filter", "refusal"]);

/** One message. Its texts are collected, and shown when `flush` is called. */
export class MessageView {
  /**
   * @param {{role: string, agent?: string, tool?: string, call?: string}} about - its author.
   * @param {Map<string, CallView>} calls - all calls of the answer, by their ids.
   * @param {Map<string, DataView>} data - of the whole answer, by what takes whose place.
   */
  constructor(about, calls, data = new Map()) {
    this.about = about;
    this.node = element("div.message");
    this.usage = null;
    this.text = ""; // the whole text, for the clipboard
    this.said = 0; // characters of any kind: 0 means that there is nothing to see
    this.calls = calls;
    this.data = data;
    this.clear();
  }

  clear() {
    this.node.replaceChildren();
    this.block = null; // the text or thought that is streaming
    this.callsByIndex = new Map();
    this.agents = new Map();
    this.sources = null;
    this.cited = new Set(); // the texts of the sources
    this.note = null;
    this.text = "";
    this.said = 0;
  }

  /** @param {string | {kind: string}} part - of a frame. */
  take(part) {
    if (typeof part === "string") return this.write(part);
    switch (part.kind) {
      case "refusal":
        return this.write(part.text);
      case "reasoning":
        return this.think(part);
      case "tool_call_delta":
        return this.callPiece(part);
      case "tool_call":
        return this.call(part.id, part.name).argue(part.arguments);
      case "tool_result":
        return this.result(part);
      case "server_tool_call":
        return this.call(part.id, part.name).argue(part.arguments);
      case "server_tool_result":
        return this.call(part.call_id).end(part.content, false);
      case "agent_part":
        return this.listen(part);
      case "citation":
        return this.cite(part);
      case "data":
        return this.receive(part);
      case "image":
      case "file":
        return this.attach(part);
      case "usage":
        this.usage = part;
        return undefined;
      case "finish":
        if (CUT.has(part.reason)) this.put(element("p.note", {}, `The model stopped here: ${part.reason.replaceAll("_", " ")}.`));
        return undefined;
      case "restart":
        return this.clear();
      case "retry":
        return this.tell(`Calling the model again (attempt ${part.attempt + 1}).`);
      default:
        return undefined; // a part of a newer server
    }
  }

  write(text) {
    if (!text) return;
    this.tell(null);
    if (this.about.role === "tool") {
      this.call(this.about.call ?? this.about.tool ?? "tool", this.about.tool).add(text);
    } else {
      if (!(this.block instanceof TextBlock)) this.open(new TextBlock());
      this.block.add(text);
      this.text += text;
    }
    this.said += text.length;
  }

  think(part) {
    if (!part.text && !part.redacted) return; // a signature
    this.tell(null);
    if (!(this.block instanceof ThoughtBlock) || this.block.index !== part.index) this.open(new ThoughtBlock(part.index));
    this.block.add(part.text || "(The provider does not show this thought.)");
    this.said += 1;
  }

  callPiece(piece) {
    this.tell(null);
    this.open(null);
    const index = piece.index ?? 0;
    let call = this.callsByIndex.get(index);
    if (call === undefined || (piece.id && call.id && piece.id !== call.id)) {
      call = new CallView(piece.id);
      this.callsByIndex.set(index, call);
      this.put(call.node);
    }
    call.id ??= piece.id;
    if (call.id) this.calls.set(call.id, call);
    call.name(piece.name);
    call.argue(piece.arguments ?? "");
    this.said += 1;
  }

  /** Return the call with this id; it is created if it is new. */
  call(id, name) {
    let call = this.calls.get(id);
    if (call === undefined) {
      call = new CallView(id);
      this.calls.set(id, call);
      this.open(null);
      this.put(call.node);
    }
    call.name(name);
    this.said += 1;
    return call;
  }

  /** Show a part of an agent that was called by this one. */
  listen({ agents, part }) {
    const key = agents.join(" › ");
    let view = this.agents.get(key);
    if (view === undefined) {
      view = new MessageView({ role: "assistant" }, new Map());
      this.agents.set(key, view);
      this.open(null);
      this.put(element("details.agent", {}, element("summary", {}, key), view.node));
    }
    view.take(part);
    this.said += 1;
  }

  cite({ source, title, text }) {
    this.sources ??= this.put(element("ol.sources", { "aria-label": "Sources" }));
    const address = safeAddress(source ?? "");
    const name = title || source || text || "source";
    const item = element("li", text ? { title: text } : {}, address ? link(address, name) : name);
    if (!this.cited.has(item.textContent)) this.sources.append(item);
    this.cited.add(item.textContent);
  }

  /** Data of the agent: in the place of those of this name and id, if there are such. */
  receive({ name, data = null, id, transient }) {
    const key = id || transient ? JSON.stringify([name, id ?? null]) : Symbol(name);
    const known = this.data.get(key);
    const view = known ?? new DataView(name);
    view.show(data, transient);
    if (known === undefined || known.node.parentNode === null) {
      this.data.set(key, view);
      this.open(null);
      this.put(view.node);
    }
    this.said += 1;
  }

  result({ call_id: id, name, content, is_error: failed }) {
    const said = [content].flat();
    this.call(id, name).end(said.filter((each) => typeof each === "string").join("\n\n"), failed);
    for (const each of said) if (typeof each !== "string") this.attach(each);
  }

  attach({ kind, data, url, media_type: type, name }) {
    this.open(null);
    const media = type ?? "application/octet-stream";
    if (data && kind === "image" && IMAGE.test(media)) {
      this.put(element("img.shown", { src: `data:${media};base64,${data}`, alt: "An image of the answer" }));
    } else if (data) {
      const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
      const address = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" })); // the browser saves it and never opens it
      this.put(element("p", {}, element("a", { href: address, download: name ?? kind }, `Save ${name ?? `the ${kind}`}`)));
    } else if (safeAddress(url ?? "")) {
      this.put(element("p", {}, link(safeAddress(url), name ?? url)));
    }
    this.said += 1;
  }

  /** All calls, also of agents that were called by this one. */
  get everyCall() {
    return [...this.calls.values(), ...[...this.agents.values()].flatMap((view) => view.everyCall)];
  }

  tell(sentence) {
    this.note?.remove();
    this.note = sentence === null ? null : this.put(element("p.note", {}, sentence));
  }

  open(block) {
    this.block?.end();
    this.block = block;
    if (block) this.put(block.node);
  }

  put(node) {
    this.node.append(node);
    if (this.sources && node !== this.sources) this.node.append(this.sources); // sources stay at the end
    return node;
  }

  /** Show what was collected. */
  flush() {
    this.block?.flush();
    for (const view of this.agents.values()) view.flush();
  }

  end() {
    this.open(null);
    for (const call of this.callsByIndex.values()) call.asked();
    for (const view of this.agents.values()) view.end();
  }

  /** Close everything that is still open. */
  abandon() {
    this.end();
    for (const call of this.calls.values()) call.abandon();
    for (const view of this.data.values()) view.abandon();
  }
}

class TextBlock {
  #pending = "";

  constructor() {
    this.node = element("div.text");
    this.markdown = new Markdown(this.node);
  }

  add(text) {
    this.#pending += text;
  }

  flush() {
    if (!this.#pending) return;
    this.markdown.write(this.#pending);
    this.#pending = "";
  }

  end() {
    this.flush();
    this.markdown.end();
  }
}

class ThoughtBlock {
  #pending = "";
  #body = element("div");
  #text = new GrowingText(this.#body);
  #summary = element("summary", {}, "Thinking…");

  constructor(index) {
    this.index = index;
    this.node = element("details.thought", {}, this.#summary, this.#body);
  }

  add(text) {
    this.#pending += text;
  }

  flush() {
    this.#text.add(this.#pending);
    this.#pending = "";
  }

  end() {
    this.flush();
    this.#summary.textContent = "Thoughts";
  }
}

/** A call of a tool: its arguments and its result. */
class CallView {
  #name = element("span.name", {}, "a tool");
  #brief = element("span.brief");
  #state = element("span.state", {}, "is being called…");
  #arguments;
  #argumentsBox;
  #result;
  #resultBox;
  #complete = false;
  #decided = null;
  #ended = false;

  constructor(id) {
    this.id = id ?? null;
    [this.#argumentsBox, this.#arguments] = box("Arguments");
    [this.#resultBox, this.#result] = box("Result");
    this.#resultBox.hidden = true;
    this.node = element("details.call", {}, element("summary", {}, this.#name, " ", this.#brief, " ", this.#state), this.#argumentsBox, this.#resultBox);
  }

  name(name) {
    if (name) this.#name.textContent = name;
  }

  argue(text) {
    this.#arguments.add(text);
  }

  /** The arguments are complete. */
  asked() {
    const all = this.#arguments.all;
    this.#brief.textContent = brief(all);
    this.#arguments.all = pretty(all);
    this.#complete = true;
    this.waits(false);
  }

  get isOpen() {
    return !this.#ended && this.#resultBox.hidden;
  }

  /** Whether a person has to answer before it goes on. */
  waits(is) {
    if (this.isOpen) this.#say(is ? "waits for your answer" : this.#complete ? "is running…" : "is being called…");
  }

  /** What a person has decided: "edited", "rejected" or "expired"; `text`: the arguments with which it runs, if they are not shown already. */
  decide(how, text = this.#arguments.all) {
    this.#decided = how;
    if (how !== "edited") return;
    this.#argumentsBox.querySelector(".title span").textContent = "Arguments, as edited";
    this.#arguments.all = text;
    this.asked();
  }

  add(text) {
    this.#resultBox.hidden = false;
    this.#result.add(text);
    this.#say("done");
  }

  end(text, failed) {
    this.asked();
    this.#ended = true;
    this.#resultBox.hidden = false;
    this.#result.all = pretty(text ?? "");
    this.node.classList.toggle("failed", Boolean(failed));
    this.#say(failed ? "failed" : "done");
  }

  abandon() {
    if (this.isOpen) this.#say("has no result");
  }

  #say(state) {
    const said = this.#decided === "edited" ? `edited · ${state}` : state;
    this.#state.textContent = state === "failed" ? (NOT_MADE[this.#decided] ?? said) : said;
  }
}

/** Data that an agent sends to the page: their name, and JSON. */
class DataView {
  #brief = element("span.brief");
  #json;
  #transient = false;

  constructor(name) {
    let dataBox;
    [dataBox, this.#json] = box("Data");
    this.node = element("details.call", {}, element("summary", {}, element("span.name", {}, name), " ", this.#brief), dataBox);
  }

  show(data, transient) {
    this.#brief.textContent = short(JSON.stringify(data));
    this.#json.all = JSON.stringify(data, null, 2);
    this.#transient = Boolean(transient);
  }

  /** Nothing more comes; what is shown only for a while goes. */
  abandon() {
    if (this.#transient) this.node.remove();
  }
}

/** A box with a title and a text that can be copied: its element, and the text. */
function box(title) {
  const pre = element("pre", { tabindex: "0", role: "group", "aria-label": title });
  const text = new GrowingText(pre);
  const button = copyButton(() => text.all);
  return [element("div.box", {}, element("div.title", {}, element("span", {}, title), button), pre), text];
}

/** JSON with line breaks, if that does not change a value; other text as it is. */
function pretty(text) {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    const data = JSON.parse(text);
    const same = JSON.stringify(data).replaceAll(/\s/g, "") === text.replaceAll(/\s/g, ""); // not 1.0 as 1
    return same ? JSON.stringify(data, null, 2) : text;
  } catch {
    return text;
  }
}

/** The arguments in a few words. */
function brief(text) {
  let said = text;
  try {
    const values = Object.values(parse(text)).map(written);
    said = values.join(", ");
  } catch {
    // no JSON
  }
  return short(said);
}

function short(text) {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

// The conversation on the page: questions, answers, and their buttons.

import { answer as answerQuestion, timelineAddress } from "./api.js";
import { copyButton, element, link, nameOf } from "./dom.js";
import { MessageView } from "./message.js";
import { QuestionView } from "./question.js";

const NEAR = 80; // pixels; closer to the end than this, the page scrolls with the text

const NOTICES = {
  stopped: "Stopped.",
  interrupted: "Interrupted.",
  failed: "The agent failed; the log of the server says why.",
  lost: "The rest of this answer is lost: the server stopped before the answer was complete.",
};

/** Questions and answers in an element that scrolls. */
export class Conversation {
  #list;
  #scroller;
  #newer;
  #actions;
  #following = true; // the end is visible, and stays visible
  #frame = 0;
  #dirty = new Set();

  /**
   * @param {HTMLElement} list - the element for questions and answers.
   * @param {HTMLElement} scroller - the element that scrolls.
   * @param {HTMLElement} newer - shown if there is more text below.
   * @param {{regenerate: () => void, edit: (question: Element, index: number, text: string) => void, hasToWait: () => boolean}} actions - of the buttons.
   */
  constructor(list, scroller, newer, actions) {
    this.#list = list;
    this.#scroller = scroller;
    this.#newer = newer;
    this.#actions = actions;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    newer.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.#settle()).observe(list);
  }

  clear() {
    this.#dirty.clear();
    this.#list.replaceChildren();
    this.toEnd();
  }

  get isEmpty() {
    return this.#list.childElementCount === 0;
  }

  /**
   * Show the messages of a thread; `atRest`: no run goes on in it. A question that is being edited stays so; return
   * what was typed into those that are not there any more.
   */
  show(messages, atRest) {
    const edited = [...this.#list.querySelectorAll(".edited")];
    const focused = document.activeElement;
    this.clear();
    let answer = null;
    messages.forEach((message, index) => {
      if (message.role === "user") {
        answer = null;
        const known = edited.find((each) => each.dataset.place === placeOf(message.text, index));
        if (known) this.#list.append(known);
        else this.ask(message.text, index);
      } else if (message.role !== "system") {
        answer ??= this.answer(message.agent);
        answer.keep(message);
      }
    });
    for (const each of this.#list.querySelectorAll(".answer")) each.view.close();
    if (atRest && messages.at(-1)?.role === "user") this.answer("").unanswered();
    this.#offer();
    this.toEnd();
    if (this.#list.contains(focused)) focused.focus();
    const boxes = edited.filter((each) => !each.isConnected).map((each) => each.querySelector("textarea"));
    return boxes.filter((each) => each.value !== each.defaultValue).map((each) => each.value);
  }

  /** Show a question; the index is its place in the thread. */
  ask(text, index) {
    const body = element("div.said", { dir: "auto" }, text);
    const edit = element("button.quiet.change", { type: "button" }, "Edit");
    const node = element("article.question", { "aria-label": "You" }, body, element("div.actions", {}, edit, copyButton(() => text)));
    node.dataset.place = placeOf(text, index);
    edit.addEventListener("click", () => this.#edit(node, body, text, index));
    this.#list.append(node);
    this.toEnd();
    return node;
  }

  /** Show what the agent will take; it goes to its place when it is taken. */
  waits(id, text, when) {
    const node = element("article.question.waits", { "aria-label": `You (${when}, not read yet)` }, element("div.said", { dir: "auto" }, text));
    node.dataset.id = id;
    this.#list.append(node);
    this.toEnd();
  }

  /** Show what the agent has taken; everything else that waits stays behind it. */
  taken(id, text, index) {
    this.notTaken(id);
    const node = this.ask(text, index);
    node.classList.add("meanwhile"); // it belongs to the answer: only its question can be edited
    node.querySelector(".change").remove();
    const waiting = [...this.#list.querySelectorAll(".waits")];
    this.#list.append(...waiting);
    return node;
  }

  /** Remove what waits: one, or all; return their texts. */
  notTaken(id = null) {
    const nodes = [...this.#list.querySelectorAll(".waits")].filter((each) => id === null || each.dataset.id === id);
    for (const each of nodes) each.remove();
    return nodes.map((each) => each.textContent);
  }

  /** Begin to show an answer; `run`: that writes it. */
  answer(agent, run = null) {
    const answer = new Answer(agent, this, run);
    const waiting = this.#list.querySelector(".waits");
    if (waiting) waiting.before(answer.node);
    else this.#list.append(answer.node);
    this.#offer();
    return answer;
  }

  /** Remove the answers after the last question, and return what was removed. */
  withdrawAnswer() {
    return this.#withdraw([...this.#list.children].findLastIndex((each) => !each.matches(".answer, .meanwhile")) + 1);
  }

  /** Remove a question and everything after it, and return what was removed. */
  withdrawFrom(node) {
    return this.#withdraw([...this.#list.children].indexOf(node));
  }

  #withdraw(from) {
    const removed = [...this.#list.children].slice(from);
    for (const each of removed) each.remove();
    return removed;
  }

  /** Put what was removed back to the end. */
  putBack(removed) {
    this.#list.append(...removed);
    this.#offer();
    this.toEnd();
  }

  /** Show a message in the next animation frame, with all tokens that come before it. */
  later(view) {
    this.#dirty.add(view);
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    for (const view of this.#dirty) view.flush();
    this.#dirty.clear();
    this.#settle();
  }

  toEnd() {
    this.#following = true;
    this.#settle();
  }

  /** Show the beginning of what has come at the end, if not all of it can be seen. */
  toBegin(node) {
    if (!this.#following || node.offsetHeight <= this.#scroller.clientHeight) return;
    this.#following = false;
    node.scrollIntoView();
  }

  /** Only the last answer has the button "Regenerate". */
  #offer() {
    for (const each of this.#list.querySelectorAll(".answer")) each.view.offer(each === this.#list.lastElementChild);
  }

  regenerate() {
    this.#actions.regenerate();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#following = scrollHeight - scrollTop - clientHeight < NEAR;
    this.#newer.hidden = this.#following;
  }

  #settle() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#newer.hidden = this.#following;
  }

  #edit(node, body, text, index) {
    const box = element("textarea", { "aria-label": "Your question", rows: Math.min(10, text.split("\n").length + 1), dir: "auto" });
    box.value = text;
    box.defaultValue = text;
    const done = () => {
      form.replaceWith(body);
      node.classList.remove("edited");
    };
    const send = (event) => {
      event.preventDefault();
      if (!box.value.trim() || this.#actions.hasToWait()) return;
      done();
      this.#actions.edit(node, index, box.value.trim());
    };
    const form = element(
      "form.edit",
      { onsubmit: send },
      box,
      element("div.buttons", {}, element("button", { type: "button", onclick: done }, "Cancel"), element("button.main", { type: "submit" }, "Send")),
      element("p.note", {}, "Everything after this question will be replaced."),
    );
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        done();
        node.querySelector(".actions button").focus();
      } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
    });
    node.classList.add("edited");
    body.replaceWith(form);
    box.focus();
  }
}

/** An answer: all messages between two questions. */
class Answer {
  #conversation;
  #messages = new Map(); // of the frames, by their number
  #kept = [];
  #calls = new Map();
  #data = new Map();
  #questions = new Map();
  #run;
  #body = element("div.body");
  #wait = element("p.wait", { "aria-hidden": "true" }, element("span"), element("span"), element("span"));
  #connection = element("p.note", { hidden: true }, "The connection is lost. Trying again…");
  #notice = element("p.notice", { hidden: true });
  #again = element("button.change", { type: "button" }, "Regenerate");
  #figures = element("span.figures");
  #actions;
  #who = element("div.who", { "aria-hidden": "true" });
  #timeline = null;
  #told = []; // the messages as the server has kept them
  #sentence = "";
  ended = null;

  constructor(agent, conversation, run) {
    this.#conversation = conversation;
    this.#run = run;
    this.#actions = element("div.actions", { hidden: true }, copyButton(() => this.text), this.#again, this.#figures);
    this.#again.addEventListener("click", () => conversation.regenerate());
    this.node = element(
      "article.answer",
      { "aria-busy": "true" },
      this.#who,
      this.#body,
      this.#wait,
      this.#connection,
      this.#notice,
      this.#actions,
    );
    this.node.view = this;
    this.#name(agent || "Agent");
  }

  get text() {
    return this.#views.filter((view) => view.about.role !== "tool").map((view) => view.text).filter(Boolean).join("\n\n");
  }

  /** The text of the whole answer for a screen reader. */
  get spoken() {
    const texts = [...this.#body.querySelectorAll(".text")].map((each) => each.innerText);
    return [...texts, this.#notice.textContent].filter(Boolean).join("\n");
  }

  get #views() {
    return [...this.#kept, ...this.#messages.values()];
  }

  /** Take a frame of the run. */
  take(frame) {
    switch (frame.type) {
      case "message_began":
        this.#messages.set(frame.message, this.#add(frame));
        return;
      case "part": {
        const view = this.#messages.get(frame.message);
        if (view === undefined) return;
        view.take(frame.part);
        this.#wait.hidden = view.said > 0 && view.about.role !== "tool";
        this.#conversation.later(view);
        return;
      }
      case "message_ended":
        this.#conversation.flush();
        this.#messages.get(frame.message)?.end();
        this.#settleCalls();
        this.#wait.hidden = this.isAsking;
        return;
      case "question":
        this.#ask(frame);
        return;
      case "question_answered":
        this.#questions.get(frame.question)?.close(frame.how, frame.arguments);
        this.#settleCalls();
        this.#wait.hidden = this.isAsking;
        return;
      case "run_ended":
        this.ended = frame.how;
        this.#sentence = frame.sentence;
        this.close();
        return;
      default: // a frame of a newer server
    }
  }

  /** Whether a question to the user is open. */
  get isAsking() {
    return [...this.#questions.values()].some((each) => each.isOpen);
  }

  /** The newest question to the user, for a screen reader. */
  get asked() {
    return [...this.#questions.values()].at(-1).spoken;
  }

  /** Show which calls wait for a person: those that need approval, and the only one, for whatever is asked. */
  #settleCalls() {
    const open = [...this.#questions.values()].filter((each) => each.isOpen);
    const only = [...this.#calls.values()].filter((call) => call.isOpen);
    for (const call of new Set(this.#views.flatMap((view) => view.everyCall))) {
      call.waits(open.some((each) => each.call === call || (only.length === 1 && only[0] === call)));
    }
  }

  #ask(frame) {
    const view = new QuestionView(frame, (body) => {
      this.#conversation.toEnd(); // a form that was opened may have left it
      return answerQuestion(this.#run, frame.question, body);
    });
    view.call = this.#views.flatMap((each) => each.everyCall).findLast((call) => call.id === frame.shown.call) ?? null;
    view.call?.asked(); // nothing says so of a call of an agent that is a tool
    this.#questions.set(frame.question, view);
    this.#body.append(view.node);
    this.#wait.hidden = true;
    this.#conversation.flush();
    this.#settleCalls();
    this.#conversation.toBegin(view.node);
  }

  /** Show a message of the history. */
  keep(message) {
    const view = this.#add(message);
    const parts = message.parts?.length ? message.parts : [message.text ?? ""];
    for (const part of message.role === "error" ? [] : parts) view.take(part);
    view.end();
    for (const [id, how] of Object.entries(message.decided ?? {})) this.#calls.get(id)?.decide(how);
    this.#kept.push(view);
    this.#told.push(message);
    this.ended = message.ended ?? this.ended;
    this.#sentence = message.sentence || (message.role === "error" ? message.text : "") || this.#sentence;
  }

  #add(about) {
    const view = new MessageView(about, this.#calls, this.#data);
    const agent = nameOf(about.agent ?? "");
    // A message of a model is one of the agent that called it.
    if (agent && agent !== this.agent && about.role !== "tool" && !about.model) {
      if (this.#views.length === 0) this.#name(agent);
      else this.#body.append(element("div.who", {}, agent));
    }
    this.#body.append(view.node);
    return view;
  }

  #name(agent) {
    this.agent = agent;
    this.#who.textContent = agent;
    this.node.setAttribute("aria-label", agent);
  }

  /** Show or hide the note about a lost connection. */
  connected(is) {
    this.#connection.hidden = is || this.#actions.hidden === false;
  }

  /** The server stopped before there was an answer. */
  unanswered() {
    this.ended = "lost";
    this.close();
    this.#notice.textContent = "There is no answer: the server stopped before it began.";
  }

  /** The answer has ended. */
  close() {
    this.#conversation.flush();
    for (const view of this.#views) view.abandon();
    for (const view of this.#questions.values()) view.close("");
    this.#wait.hidden = true;
    this.#connection.hidden = true;
    this.node.removeAttribute("aria-busy");
    const sentence = this.ended === "failed" && this.#sentence ? this.#sentence : NOTICES[this.ended];
    this.#notice.textContent = sentence ?? "";
    this.#notice.hidden = !sentence;
    this.#notice.classList.toggle("bad", this.ended === "failed" || this.ended === "lost");
    const whole = this.ended === "finished" || this.ended === null;
    this.#again.textContent = whole ? "Regenerate" : "Ask again";
    this.#again.classList.toggle("quiet", whole);
    this.#actions.hidden = false;
    this.figures(this.#told);
  }

  offer(last) {
    this.#again.hidden = !last;
  }

  /** Show tokens, time and model, and the timeline of the run. */
  figures(told) {
    const sum = (name) => {
      const counted = told.map((each) => each.usage?.[name]).filter((count) => Number.isFinite(count));
      return counted.length ? counted.reduce((one, other) => one + other) : null;
    };
    const seconds = told.map((each) => each.seconds).filter((each) => Number.isFinite(each));
    const [into, out] = [sum("input_tokens"), sum("output_tokens")];
    const models = [...new Set(told.map((each) => each.model).filter(Boolean))];
    this.#figures.textContent = [
      seconds.length ? `${duration(seconds.reduce((one, other) => one + other))}` : null,
      into === null && out === null ? null : `${into ?? "?"} tokens in, ${out ?? "?"} out`,
      models.join(", ") || null,
    ].filter(Boolean).join(" · ");
    const run = told.map((each) => each.run).find(Boolean);
    if (run && !this.#timeline) this.#drawn(run);
  }

  #drawn(run) {
    this.#timeline = element("details.timeline", {}, element("summary", {}, "Timeline"));
    this.#timeline.addEventListener("toggle", () => {
      if (!this.#timeline.open || this.#timeline.querySelector("img")) return;
      const picture = element("img", { alt: "Timeline of the run", src: timelineAddress(run) });
      const box = element("div.picture", {}, link(timelineAddress(run), picture));
      picture.addEventListener("error", () => box.replaceWith(element("p.note", {}, "The server no longer has this picture.")));
      this.#timeline.append(box);
    });
    this.node.append(this.#timeline);
  }
}

function placeOf(text, index) {
  return `${index} ${text}`;
}

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

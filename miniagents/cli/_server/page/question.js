// A question of the agent to the user: the call of a tool that needs approval, or anything else.

import { element } from "./dom.js";
import { field } from "./fields.js";

const ANSWERED = { allowed: "Allowed.", rejected: "Rejected.", answered: "Answered.", expired: "The time for an answer is over." };

/** A question, with what answers it. */
export class QuestionView {
  #frame;
  #answer;
  #controls = element("div.controls");
  #state = element("p.note", { role: "status" });
  #open = true;
  #focused = null; // what was, when the answer was sent
  call = null; // which waits for the answer, if it is shown

  /**
   * @param {object} frame - of the question.
   * @param {(body: object) => Promise<void>} answer - sends an answer.
   */
  constructor(frame, answer) {
    this.#frame = frame;
    this.#answer = answer;
    const { shown, due } = frame;
    this.node = element(
      "section.asked",
      { "aria-label": "A question to you", tabindex: "-1" },
      element("p.what", { dir: "auto" }, ...(this.#isCall ? this.#about(element("code", {}, shown.tool)) : [shown.text])),
      this.#isCall && shown.description ? element("p.note", {}, shown.description) : null,
      this.#controls,
      due ? element("p.note.due", {}, `Until ${new Date(due * 1000).toLocaleString()}.`) : null,
      this.#state,
    );
    if (this.#isCall) this.#decide();
    else this.#form(shown.schema, undefined, "Answer", (value) => ({ value }));
  }

  get #isCall() {
    return this.#frame.kind !== "question";
  }

  /** Whether a call was cut off, so that its effect is not known. */
  get #isUnknown() {
    return this.#frame.kind === "unknown";
  }

  #about(tool) {
    return this.#isUnknown ? ["The call of ", tool, " was cut off, and may have had its effect. Call it again?"] : ["May I call ", tool, "?"];
  }

  get isOpen() {
    return this.#open;
  }

  /** The question in words, for a screen reader. */
  get spoken() {
    return this.node.querySelector(".what").textContent;
  }

  /**
   * The question is closed; `how`: "allowed", "rejected", "answered", "expired", or "" if the run has ended;
   * `edited`: the arguments that were allowed, if they are others.
   */
  close(how, edited) {
    if (!this.#open) return;
    this.#open = false;
    this.#controls.replaceChildren();
    this.node.classList.add("closed");
    this.call?.decide(edited ? "edited" : how, edited && JSON.stringify(edited));
    if (this.#focused) this.node.focus({ preventScroll: true });
    this.#state.textContent = (edited && "Allowed, as edited.") || (ANSWERED[how] ?? "This was not answered.");
    this.#state.classList.remove("bad");
    this.node.querySelector(".due")?.remove();
  }

  #arguments() {
    return element("pre", { tabindex: "0", role: "group", "aria-label": "Arguments" }, JSON.stringify(this.#frame.shown.arguments, null, 2));
  }

  /** Allow, Edit, Reject; or what became of a call. */
  #decide(focused = -1) {
    const [allow, change, reject] = this.#isUnknown ? ["Call again", "Enter its result", "It failed"] : ["Allow", "Edit", "Reject"];
    const buttons = [
      element("button.main", { type: "button", onclick: () => this.#send({ allow: true }) }, allow),
      element("button", { type: "button", onclick: () => (this.#isUnknown ? this.#enter() : this.#edit()) }, change),
      element("button", { type: "button", onclick: () => this.#reject() }, reject),
    ];
    this.#controls.replaceChildren(this.#arguments(), element("div.buttons", {}, ...buttons));
    buttons[focused]?.focus();
  }

  #edit() {
    const { schema, arguments: given } = this.#frame.shown;
    this.#form(schema ?? {}, given, "Allow", (value) => ({ allow: true, arguments: value }), () => this.#decide(1));
  }

  #enter() {
    const schema = { type: "string", title: "The result, which the model gets" };
    this.#form(schema, undefined, "Enter", (value) => ({ value }), () => this.#decide(1));
  }

  #reject() {
    const body = (reason) => ({ allow: false, ...(reason ? { reason } : {}) });
    this.#form({ type: "string", title: "Reason, which the model gets" }, "", "Reject", body, () => this.#decide(2));
  }

  /** Show a form; `cancel` goes back to the buttons. */
  #form(schema, given, label, body, cancel) {
    const { node, read } = field(schema, given);
    const buttons = [
      cancel ? element("button", { type: "button", onclick: cancel }, "Cancel") : null,
      element("button.main", { type: "submit" }, label),
    ];
    const form = element("form", {}, node, element("div.buttons", {}, ...buttons));
    form.noValidate = true; // the sentence below says what is wrong
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      try {
        this.#send(body(read()));
      } catch (error) {
        this.#say(error.message, true);
      }
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.rows === 1 && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
      if (event.key !== "Escape" || !cancel) return;
      event.preventDefault(); // or it would stop the run
      cancel();
    });
    this.#controls.replaceChildren(form);
    if (cancel) form.querySelector("input, textarea, select")?.focus();
  }

  async #send(body) {
    this.#say("Sending…");
    const controls = [...this.#controls.querySelectorAll("button")];
    this.#focused = this.#controls.contains(document.activeElement) ? document.activeElement : null;
    for (const each of controls) each.disabled = true;
    try {
      await this.#answer({ digest: this.#frame.digest, ...body });
      if (this.#open) this.#say("Sent.");
    } catch (error) {
      if (this.#open) this.#say(error.message, true);
    }
    for (const each of controls) each.disabled = false; // until the run says that it is answered
    if (this.#open) this.#focused?.focus();
  }

  #say(sentence, bad = false) {
    this.#state.textContent = sentence;
    this.#state.classList.toggle("bad", bad);
    if (bad) this.#state.scrollIntoView({ block: "nearest" });
  }
}

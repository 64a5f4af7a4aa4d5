// The list of chats.

import { element } from "./dom.js";

/** The chats, newest first, each with its buttons. */
export class ThreadList {
  #list;
  #actions;
  #shown = "";

  /**
   * @param {HTMLElement} list - the element for the items.
   * @param {{rename: (thread: object) => void, remove: (thread: object) => void}} actions - of the buttons.
   */
  constructor(list, actions) {
    this.#list = list;
    this.#actions = actions;
  }

  /** Show these chats; `current` is the id of the open one. */
  show(threads, current) {
    const now = JSON.stringify([threads, current]);
    if (now === this.#shown) return;
    this.#shown = now;
    const focused = document.activeElement?.dataset?.key;
    this.#list.replaceChildren(...threads.map((each) => this.#item(each, each.id === current)));
    if (focused) this.#list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #item(thread, current) {
    const title = thread.title || "New chat";
    const updated = new Date(thread.updated * 1000).toLocaleString();
    const act = (name, sign, action, kind = "") =>
      element(
        `button.quiet.sign${kind}`,
        { type: "button", "aria-label": `${name} ${title}`, title: name, "data-key": `${name} ${thread.id}`, onclick: action },
        sign,
      );
    return element(
      current ? "li.current" : "li",
      {},
      element(
        "a",
        { href: `#thread=${encodeURIComponent(thread.id)}`, "aria-current": current ? "page" : null, title: updated, "data-key": thread.id, dir: "auto" },
        title,
      ),
      thread.run ? element("span.busy", { role: "img", "aria-label": "is being answered", title: "is being answered" }) : null,
      act("Rename", "✎", () => this.#actions.rename(thread)),
      act("Delete", "✕", () => this.#actions.remove(thread), ".destroys"),
    );
  }
}

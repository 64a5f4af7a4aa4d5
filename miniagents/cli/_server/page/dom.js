// Elements. Texts of models, users and servers get into the page as text only, never as HTML.

/**
 * Make an element.
 *
 * @param {string} name - the tag, with classes after dots: "div.answer.late".
 * @param {Record<string, unknown>} [given] - attributes; a function is a listener ("onclick"), true an empty
 *   attribute, null and false none.
 * @param {...(Node | string | null)} children - texts become text nodes.
 */
export function element(name, given = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(given)) {
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Return the address if a link may lead there (http, https and mailto only); else null. */
export function safeAddress(text) {
  let address;
  try {
    address = new URL(text);
  } catch {
    return null; // not an address, or without a scheme
  }
  return ["http:", "https:", "mailto:"].includes(address.protocol) ? address.href : null;
}

/** The name of an agent as the page shows it. */
export function nameOf(alias) {
  return alias.replace(/(?<=.)_AGENT$/, "");
}

/** Make a link that opens in a new tab and gets no information about this page. */
export function link(address, ...children) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/** Make a button that copies a text, and then shows that it did. */
export function copyButton(text, label = "Copy") {
  const button = element("button.quiet", { type: "button" }, label);
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      said = "Cannot copy"; // the page is neither https nor local, or the browser has no permission
    }
    button.textContent = said;
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

const FULL = 10_000; // characters

/** A text that grows at its end. It is several nodes, because a browser copies a node's text whenever it grows. */
export class GrowingText {
  #parent;
  #last = null;

  /** @param {Element} parent - has nothing else in it. */
  constructor(parent) {
    this.#parent = parent;
  }

  add(text) {
    if (!text) return;
    if (this.#last === null || this.#last.length > FULL) {
      this.#last = document.createTextNode("");
      this.#parent.append(this.#last);
    }
    this.#last.appendData(text);
  }

  /** The whole text. */
  get all() {
    return this.#parent.textContent;
  }

  set all(text) {
    this.#last = null;
    this.#parent.replaceChildren();
    this.add(text);
  }
}

// Elements. What a model, a user or a server said gets into the page as text only.

/**
 * Make an element.
 *
 * @param {string} name - of the element, with classes behind dots: "div.answer.late".
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

/** Return the address if a person may be led there: http, https and mailto only; null otherwise. */
export function safeAddress(text) {
  let address;
  try {
    address = new URL(text);
  } catch {
    return null; // no address, or one without a scheme
  }
  return ["http:", "https:", "mailto:"].includes(address.protocol) ? address.href : null;
}

/** The name of an agent, as people are shown it; at the console, too. */
export function nameOf(alias) {
  return alias.replace(/(?<=.)_AGENT$/, "");
}

/** Make a link that opens a page of its own, which learns nothing of this one. */
export function link(address, ...children) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/** Make a button that copies a text, and says that it did. */
export function copyButton(text, label = "Copy") {
  const button = element("button.quiet", { type: "button" }, label);
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      said = "Cannot copy"; // an address that is neither https nor local, or no permission
    }
    button.textContent = said;
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

// Dialogs that ask the user something.

import { element } from "./dom.js";

/**
 * Ask for a text.
 *
 * @param {object} what
 * @param {string} what.title - the question.
 * @param {string} what.label - the label of the field.
 * @param {string} what.accept - the text of the button.
 * @param {string} [what.value] - the text in the field at first.
 * @param {string} [what.type] - the type of the field: "text" or "password".
 * @param {string} [what.problem] - what was wrong with the last text.
 * @param {boolean} [what.needed] - true leaves out the button "Cancel".
 * @returns {Promise<string | null>} the text; null if the user cancels.
 */
export function askText({ title, label, accept, value = "", type = "text", problem = "", needed = false }) {
  const field = element("input", { type, id: "asked", autocomplete: type === "password" ? "current-password" : "off", maxlength: "1000" });
  field.value = value;
  const body = [element("label", { for: "asked" }, label), field, element("p.bad", { role: "alert" }, problem)];
  const asked = ask(title, body, accept, () => field.value.trim() || null, needed);
  field.select();
  return asked;
}

/** Ask for a confirmation, of what cannot be undone if it `destroys`; return true, or null if the user cancels. */
export function askWhether({ title, text, accept, destroys = false }) {
  return ask(title, [element("p", {}, text)], accept, () => true, false, destroys);
}

function ask(title, body, accept, answer, needed = false, destroys = false) {
  return new Promise((resolve) => {
    let said = null;
    const submit = (event) => {
      event.preventDefault();
      said = answer();
      if (said !== null) dialog.close();
    };
    const dialog = element(
      "dialog",
      { "aria-labelledby": "asked-title" },
      element(
        "form",
        { onsubmit: submit },
        element("h2", { id: "asked-title" }, title),
        ...body,
        element(
          "div.buttons",
          {},
          needed ? null : element("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
          element(destroys ? "button.main.destroys" : "button.main", { type: "submit" }, accept),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(said);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Fields of a form, from a JSON schema.

import { element } from "./dom.js";
import { isNumber, parse, written } from "./json.js";

const LONG = /^-?[1-9]\d{15,}$/; // for a number of JavaScript
const INPUTS = { date: "date", email: "email", uri: "url" };
let made = 0;

/**
 * Make what a value of a schema is written in.
 *
 * @param {object} schema - of the value; what has no field of its own is written as JSON.
 * @param {unknown} [given] - the value at first.
 * @returns {{node: Element, read: () => unknown}} the element, and the value as it is now; `read` throws an Error with a
 *   sentence if there is none.
 */
export function field(schema, given) {
  return part(schema, given, schema.title ?? "Answer", true, schema.$defs ?? {});
}

function part(written, known, name, needed, defs) {
  const schema = plain(written, defs);
  const { properties } = schema;
  const given = known === undefined ? schema.default : known;
  const isObject = given === undefined ? needed : (typeof given === "object" && given !== null && !Array.isArray(given));
  if (schema.type === "object" && properties && Object.keys(properties).length && isObject && !extra(given, properties)) {
    return fieldset(schema, given ?? {}, defs);
  }
  const id = `field-${(made += 1)}`;
  const [control, read] = control_of(schema, given, id);
  const text = schema.title ?? name;
  const isCheck = control.type === "checkbox";
  const label = element("label", { for: id }, needed || isCheck ? text : `${text} (optional)`);
  const note = schema.description ? element("p.note", { id: `${id}-note` }, schema.description) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  return {
    node: element(isCheck ? "div.field.check" : "div.field", {}, label, control, note),
    read() {
      const value = read();
      if (value === undefined && needed) throw new Error(`${text} is missing.`);
      return value;
    },
  };
}

function fieldset(schema, given, defs) {
  const parts = Object.entries(schema.properties).map(([name, each]) => {
    const needed = schema.required?.includes(name) ?? false;
    return [name, part({ title: name, ...plain(each, defs) }, given[name], name, needed, defs)];
  });
  return {
    node: element("div.fields", {}, ...parts.map(([, each]) => each.node)),
    read: () => Object.fromEntries(parts.map(([name, each]) => [name, each.read()]).filter(([, value]) => value !== undefined)),
  };
}

/** Whether a value has what its schema does not name: it would be lost in fields. */
function extra(given, properties) {
  return Object.keys(given ?? {}).some((name) => !Object.hasOwn(properties, name));
}

/** A schema without a reference at its top; one that may be null is that of the value. */
function plain(schema, defs) {
  const named = /^#\/\$defs\/(.+)$/.exec(schema.$ref ?? "");
  if (named && defs[named[1]]) return plain({ ...defs[named[1]], ...rest(schema, "$ref") }, defs);
  const some = schema.anyOf?.filter((each) => each.type !== "null");
  if (some?.length === 1) return plain({ ...rest(schema, "anyOf"), ...some[0] }, defs);
  return schema;
}

function rest(schema, name) {
  const { [name]: _, ...others } = schema;
  return others;
}

/** The control for a value, and what reads it; `undefined`: it is empty. What nobody changes stays as it was given. */
function control_of(schema, given, id) {
  const choices = schema.enum ?? (schema.const === undefined ? null : [schema.const]);
  if (choices) {
    const options = choices.map((each, at) => element("option", { value: at, selected: JSON.stringify(each) === JSON.stringify(given) }, written(each)));
    const none = given === undefined || given === null;
    const select = element("select", { id }, none ? element("option", { value: "" }, "") : null, ...options);
    return [select, () => (select.value === "" ? given : choices[Number(select.value)])];
  }
  if (schema.type === "boolean" && (given === undefined || typeof given === "boolean")) {
    const check = element("input", { id, type: "checkbox" });
    check.checked = given ?? false;
    return [check, () => check.checked];
  }
  if (["integer", "number"].includes(schema.type) && isNumber(given ?? 0)) {
    const input = element("input", { id, inputmode: "decimal", autocomplete: "off" });
    input.value = isNumber(given) ? written(given) : "";
    return [input, unlessKept(input, given, () => number(input.value.trim()))];
  }
  if (schema.type === "string" && typeof (given ?? "") === "string") {
    const type = INPUTS[schema.format];
    const input = type ? element("input", { id, type }) : element("textarea", { id, rows: 1, dir: "auto" });
    input.value = given ?? "";
    return [input, unlessKept(input, given, () => input.value)];
  }
  const area = element("textarea", { id, rows: 3, placeholder: "JSON", spellcheck: "false" });
  area.value = given === undefined ? "" : JSON.stringify(given, null, 2);
  return [area, () => json(area.value.trim())];
}

/** Read a field; if it shows what it showed at first, return the value for which it did. */
function unlessKept(input, given, read) {
  const first = input.value;
  return () => (input.value === first ? given : read());
}

function number(text) {
  if (!text) return undefined;
  if (!Number.isFinite(Number(text))) throw new Error(`“${text}” is not a number.`);
  return LONG.test(text) ? parse(text) : Number(text);
}

function json(text) {
  if (!text) return undefined;
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
}

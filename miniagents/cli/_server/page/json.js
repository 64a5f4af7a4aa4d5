// JSON in which long integers, such as ids, stay what they are: a number of JavaScript has some 16 digits.

const LONG = /\d{16}/;
const INTEGER = /^-?\d+$/;

/** Return the value of some JSON; an integer that is too long for a number is a `JSON.rawJSON`, which is written as it is. */
export function parse(text) {
  return LONG.test(text) && JSON.rawJSON ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_, value, { source } = {}) {
  return typeof value === "number" && !Number.isSafeInteger(value) && INTEGER.test(source ?? "") ? JSON.rawJSON(source) : value;
}

/** Whether a value is a number, however long. */
export function isNumber(value) {
  return typeof value === "number" || (JSON.isRawJSON?.(value) ?? false);
}

/** Write a value: a text as it is. */
export function written(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

// The requests to the server.

import { parse } from "./json.js";

/** A request that was refused, or did not reach the server; the message is shown to the user. */
export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status; // the HTTP status; 0: the server cannot be reached
  }
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ServerError("The server cannot be reached. Is it still running?");
  }
  const data = await response.text().then(parse).catch(() => null);
  if (!response.ok) throw new ServerError(data?.error?.message ?? `The server refused this (${response.status}).`, response.status);
  return data;
}

const at = (...steps) => steps.map(encodeURIComponent).join("/");

export const login = (token) => ask("POST", "/api/login", { token });
export const info = () => ask("GET", "/api/info");

/** @param {string | null} before - the "next" of the previous page; null for the newest. */
export const threads = (before = null) =>
  ask("GET", `/api/threads${before === null ? "" : `?before=${encodeURIComponent(before)}`}`);
export const newThread = () => ask("POST", "/api/threads", {});
export const thread = (id) => ask("GET", `/api/threads/${at(id)}`);
export const rename = (id, title) => ask("PATCH", `/api/threads/${at(id)}`, { title });
export const remove = (id) => ask("DELETE", `/api/threads/${at(id)}`);

/** @param {{text?: string, regenerate?: true, edit?: number}} what - a message, or what to answer again. */
export const begin = (id, what) => ask("POST", `/api/threads/${at(id, "runs")}`, what);

/** @param {object} said - {text, when, id}: to the agent that works on the run. */
export const say = (run, said) => ask("POST", `/runs/${at(run, "say")}`, said);
export const stop = (run) => ask("POST", `/runs/${at(run, "stop")}`, {});

/** @param {object} body - the "digest" of what was shown, and the answer. */
export const answer = (run, question, body) => ask("POST", `/runs/${at(run, "questions", question)}`, body);

export const timelineAddress = (run) => `/api/runs/${at(run, "timeline")}`;
export const runAddress = (run, after) => `/runs/${at(run)}${after ? `?after=${encodeURIComponent(after)}` : ""}`;

// A run, frame by frame, over every cut of the connection until it ends.

import { runAddress } from "./api.js";

const SOONEST = 1000; // milliseconds until it is tried again
const LATEST = 5000;

/**
 * Follow a run.
 *
 * @param {string} run - its id.
 * @param {object} reader
 * @param {(frame: object) => void} reader.onFrame - each frame, once.
 * @param {(connected: boolean) => void} reader.onConnection - whether the server can be heard.
 * @param {() => void} reader.onGone - the server has nothing more of it.
 * @returns {() => void} stops to follow it; the run goes on.
 */
export function follow(run, { onFrame, onConnection, onGone }) {
  let events = null;
  let timer = null;
  let left = false;
  let position = "";
  let wait = SOONEST;

  function open() {
    events = new EventSource(runAddress(run, position));
    events.onopen = () => {
      wait = SOONEST;
      onConnection(true);
    };
    events.onmessage = ({ data, lastEventId }) => {
      position = lastEventId;
      const frame = JSON.parse(data);
      if (frame.type === "run_ended") leave();
      onFrame(frame);
    };
    events.onerror = () => {
      onConnection(false);
      if (events.readyState !== EventSource.CLOSED) return; // it tries again by itself
      check();
    };
  }

  // EventSource does not say what was wrong: a server that is away, or one that knows no such run.
  async function check() {
    events.close();
    let status = 0;
    try {
      const given = new AbortController();
      const response = await fetch(runAddress(run, position), { signal: given.signal });
      ({ status } = response);
      given.abort();
    } catch {
      // it is away
    }
    if (left) return;
    if (status === 204 || status === 404 || status === 401 || status === 403) {
      leave();
      onGone();
      return;
    }
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, LATEST);
  }

  function leave() {
    left = true;
    clearTimeout(timer);
    events.close();
  }

  open();
  return leave;
}

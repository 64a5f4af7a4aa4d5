// Follows a run frame by frame until it ends; reconnects when the connection is lost.

import { runAddress } from "./api.js";
import { parse } from "./json.js";

const SOONEST = 1000; // milliseconds until the first reconnection
const LATEST = 5000;

/**
 * Follow a run.
 *
 * @param {string} run - its id.
 * @param {object} reader
 * @param {(frame: object) => void} reader.onFrame - each frame, once.
 * @param {(connected: boolean) => void} reader.onConnection - whether the page is connected.
 * @param {() => void} reader.onGone - the server does not know the run, or refuses.
 * @returns {() => void} stops following; the run itself continues.
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
      const frame = parse(data);
      if (frame.type === "run_ended") leave();
      onFrame(frame);
    };
    events.onerror = () => {
      onConnection(false);
      if (events.readyState !== EventSource.CLOSED) return; // it reconnects by itself
      check();
    };
  }

  // EventSource does not report what was wrong, so this asks: is the server away, or is the run unknown?
  async function check() {
    const status = await fetch(runAddress(run, position), { method: "HEAD" }).then((response) => response.status, () => 0);
    if (left) return;
    if ([204, 401, 403, 404, 500].includes(status)) { // 500: what was recorded of it is damaged
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

// The page: the open chat, its questions, and the keys.

import * as api from "./api.js";
import { Conversation } from "./conversation.js";
import { askText, askWhether } from "./dialogs.js";
import { nameOf } from "./dom.js";
import { follow } from "./run.js";
import { ThreadList } from "./threads.js";

const POLL = 3000; // milliseconds; while another chat is being answered

const $ = (id) => document.getElementById(id);
const [box, send, stop, problem] = [$("box"), $("send"), $("stop"), $("problem")];

let info = { agent: "Agent", model: null, opening: null };
let threads = [];
let next = null; // where the older chats begin
let poll = null;
let away = false; // the last request did not reach the server
let isLoaded;
let loaded; // resolved when the page knows which agent answers, and shows the chat in its address
loading();

/** The open chat. Results that arrive after another chat was opened are not shown. */
let open = chat(null);

function chat(id) {
  const now = { run: null, began: null, busy: false, stopped: false, leave: null, answer: null };
  return { id, title: "", count: 0, known: contents([]), ending: null, ...now };
}

const conversation = new Conversation($("conversation"), $("scroller"), $("newer"), { regenerate, edit, hasToWait });
const list = new ThreadList($("threads"), { rename, remove });
const others = new BroadcastChannel("miniagents"); // this page in other tabs

/** From now on messages wait for the next `isLoaded()`. */
function loading() {
  const before = isLoaded;
  loaded = new Promise((resolve) => {
    isLoaded = () => {
      before?.();
      resolve();
    };
  });
}

// -- questions -------------------------------------------------------------------------------------------------

async function say(when = "queue") {
  await loaded; // a user who types early has to give the token first
  const mine = open;
  const text = box.value.trim();
  if (!text || (!info.interactive && hasToWait())) return;
  box.value = "";
  fit();
  await mine.ending; // it says the place of this message
  if (mine !== open || (!info.interactive && hasToWait())) {
    giveBack(text);
    return;
  }
  if (open.busy) {
    await sayNow(text, when);
    return;
  }
  const question = conversation.ask(text, open.count);
  await run({ text }, () => {
    conversation.withdrawFrom(question);
    giveBack(text);
    welcome();
  });
}

/** Whether a message cannot be sent now; a sentence says why. */
function hasToWait() {
  if (!open.busy) return false;
  const todo = open.answer?.isAsking ? "The agent waits for your answer to its question." : "The answer is not complete yet.";
  complain(`${todo} Send your message when the answer has ended, or press Esc to stop it.`, true);
  return true;
}

/** Say something to the agent while it works. */
async function sayNow(text, when) {
  const mine = open;
  const id = `page-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
  conversation.waits(id, text, when);
  try {
    await api.say(mine.run ?? (await mine.began), { text, when, id });
  } catch (error) {
    if (mine === open) {
      conversation.notTaken(id);
      giveBack(text);
    }
    failed(error);
  }
}

/** Put back into the box what was not sent, behind what is there; a user who types there goes on. */
function giveBack(text) {
  const [begin, end, typed] = [box.selectionStart, box.selectionEnd, box.value];
  box.value = typed ? `${typed}\n${text}` : text;
  if (typed) box.setSelectionRange(begin, end);
  fit();
}

async function regenerate() {
  if (open.busy) return;
  const answers = conversation.withdrawAnswer();
  box.focus();
  await run({ regenerate: true }, () => conversation.putBack(answers));
}

async function edit(question, index, text) {
  const before = conversation.withdrawFrom(question);
  const asked = conversation.ask(text, index);
  box.focus();
  await run({ edit: index, text }, () => {
    conversation.withdrawFrom(asked);
    conversation.putBack(before);
    giveBack(text);
  });
}

/** Start a run; `undo` restores the page if the server refuses, or is away. */
async function run(what, undo) {
  const mine = open;
  complain("");
  announce("");
  setBusy(mine, true);
  welcome();
  mine.began = begin(mine, what);
  try {
    listen(mine, await mine.began);
  } catch (error) {
    setBusy(mine, false);
    if (mine === open) undo();
    if (mine === open && [404, 409].includes(error.status)) await reload(mine);
    failed(error);
  }
}

/** Start a run on the server, in a new chat if there is none; its id. */
async function begin(mine, what) {
  if (mine.id === null) {
    mine.id = (await api.newThread()).id;
    if (mine === open) history.replaceState(null, "", address(mine.id));
  } else {
    await mine.ending;
    if (isNewer(await api.thread(mine.id), mine)) {
      throw new api.ServerError("This chat went on elsewhere. Read what is new, and send your message again.", 409);
    }
  }
  const begun = await api.begin(mine.id, what);
  changed(mine.id);
  return begun.run;
}

/** Show a run from its first frame on, until it ends. */
function listen(mine, run) {
  mine.run = run;
  setBusy(mine, true);
  if (mine.stopped) api.stop(run).catch(failed);
  if (mine !== open) return;
  let answer = (mine.answer = conversation.answer(info.agent, run));
  let said = null; // what the user has said meanwhile
  mine.leave = follow(run, {
    onFrame(frame) {
      if (frame.type === "message_began" && frame.when) said = { ...frame, text: "" };
      else if (said !== null && frame.message === said.message) {
        if (frame.type === "part" && typeof frame.part === "string") said.text += frame.part;
        if (frame.type !== "message_ended") return;
        answer.ended = said.when === "steer" || said.when === "queue" ? null : "interrupted";
        answer.close();
        conversation.taken(said.id, said.text, mine.count);
        answer = mine.answer = conversation.answer(info.agent, run);
        said = null;
      } else answer.take(frame);
      if (frame.type === "question") announce(answer.asked);
      if (frame.type === "run_ended") mine.ending = ended(mine, answer);
    },
    onConnection: (connected) => answer.connected(connected),
    onGone() {
      setBusy(mine, false);
      reload(mine);
    },
  });
}

async function ended(mine, answer) {
  const left = mine === open ? conversation.notTaken() : [];
  setBusy(mine, false);
  if (left.length) giveBack(left.join("\n"));
  if (mine === open && problem.classList.contains("mild")) complain("");
  announce(`${answer.agent}: ${answer.spoken}`);
  changed(mine.id);
  try {
    const kept = await api.thread(mine.id);
    know(mine, kept);
    const last = kept.messages.findLastIndex((each) => each.role === "user");
    answer.figures(kept.messages.slice(last + 1));
  } catch (error) {
    failed(error);
  }
}

function stopRun() {
  if (!open.busy || open.stopped) return;
  open.stopped = true;
  box.focus();
  if (open.run) api.stop(open.run).catch(failed);
}

function setBusy(mine, busy) {
  mine.busy = busy;
  if (!busy) {
    mine.run = null;
    mine.began = null;
    mine.stopped = false;
    mine.leave?.();
    mine.leave = null;
  }
  if (mine !== open) return;
  send.hidden = busy && !info.interactive;
  stop.hidden = !busy;
  document.body.classList.toggle("busy", busy);
  entitle();
}

// -- chats -----------------------------------------------------------------------------------------------------

function address(id) {
  return id === null ? "#" : `#thread=${encodeURIComponent(id)}`;
}

/** The chat in the address of the page, or null. */
function addressed() {
  return new URLSearchParams(location.hash.slice(1)).get("thread");
}

/** Open the chat in the address of the page; without one, a new chat. */
async function route() {
  const id = addressed();
  drawer(false);
  if (id === open.id && id !== null) return;
  open.leave?.();
  open = chat(id);
  setBusy(open, false);
  complain("");
  conversation.clear();
  welcome();
  drawThreads();
  refresh();
  if (id !== null) await reload(open);
  toBox();
}

/** Load a chat from the server and show it. */
async function reload(mine) {
  if (mine !== open || mine.id === null) return;
  mine.leave?.();
  try {
    const kept = await api.thread(mine.id);
    if (mine !== open) return;
    know(mine, kept);
    mine.title = kept.title;
    setBusy(mine, false);
    for (const text of conversation.show(kept.messages, kept.run === null)) giveBack(text);
    welcome();
    if (kept.run) listen(mine, kept.run);
  } catch (error) {
    if (mine !== open) return;
    if (error.status === 404) {
      open = chat(null); // the next message begins a new one
      history.replaceState(null, "", address(null));
      for (const text of conversation.show([], false)) giveBack(text);
      welcome();
      drawThreads();
      refresh();
    }
    failed(error);
  }
}

/** What a conversation says. */
function contents(messages) {
  return JSON.stringify(messages.map(({ role, text }) => [role, text]));
}

/** Note what a chat of the server says; the page shows this. */
function know(mine, kept) {
  mine.count = kept.messages.length;
  mine.known = contents(kept.messages);
}

/** Whether a chat was continued or changed in another tab or by another client. */
function isNewer(kept, mine) {
  return kept.run !== null || contents(kept.messages) !== mine.known;
}

/** Reload the chat if it is newer than what the page shows. */
async function look() {
  const mine = open;
  await mine.ending;
  await refresh();
  if (mine.id === null || mine.busy || mine !== open) return;
  const kept = await api.thread(mine.id).catch(() => null);
  if (kept && mine === open && !mine.busy && isNewer(kept, mine)) await reload(mine);
}

async function refresh() {
  clearTimeout(poll);
  try {
    const page = await api.threads();
    const known = new Set(page.threads.map((each) => each.id));
    const oldest = page.next === null ? Infinity : page.threads.at(-1).updated;
    const older = oldest === Infinity ? [] : threads.filter((each) => !known.has(each.id) && each.updated <= oldest);
    threads = [...page.threads, ...older];
    if (!older.length) next = page.next;
    drawThreads();
    if (away) complain("");
  } catch (error) {
    failed(error);
    return;
  }
  if (threads.some((each) => each.run && each.id !== open.id)) poll = setTimeout(refresh, POLL);
}

async function older() {
  try {
    const page = await api.threads(next);
    threads.push(...page.threads);
    next = page.next;
    drawThreads();
  } catch (error) {
    failed(error);
  }
}

function drawThreads() {
  list.show(threads, open.id);
  $("older").hidden = next === null;
  const found = threads.find((each) => each.id === open.id);
  if (found) open.title = found.title;
  entitle();
}

async function rename(thread) {
  const title = await askText({ title: "Rename the chat", label: "New name", accept: "Rename", value: thread.title });
  if (title === null) return;
  await api.rename(thread.id, title).catch(failed);
  changed(thread.id);
}

async function remove(thread) {
  const text = `“${thread.title || "New chat"}” and all its messages will be deleted.`;
  if (!(await askWhether({ title: "Delete the chat?", text, accept: "Delete", destroys: true }))) return;
  try {
    await api.remove(thread.id);
  } catch (error) {
    failed(error);
    return;
  }
  threads = threads.filter((each) => each.id !== thread.id);
  changed(thread.id);
  if (thread.id === open.id) location.hash = "";
  else toBox();
}

/** Refresh the list of chats, here and in other tabs. */
function changed(id) {
  others.postMessage({ id });
  refresh();
}

// -- the page --------------------------------------------------------------------------------------------------

function entitle() {
  const name = open.title || "New chat";
  $("title").textContent = name;
  document.title = `${open.busy ? "● " : ""}${name} – ${info.agent}`;
}

function welcome() {
  $("welcome").hidden = !conversation.isEmpty || open.id !== null;
}

function announce(text) {
  $("announcer").textContent = text;
}

/** Show what is wrong; `mild`: nothing is, but the user has to wait or do something else. */
function complain(text, mild = false) {
  away = false;
  problem.textContent = text;
  problem.classList.toggle("mild", mild);
  problem.hidden = !text;
}

/** The message box takes texts; say so where an image or a file would vanish. */
function refuseFiles(event) {
  const given = event.clipboardData ?? event.dataTransfer;
  if (!given || ![...given.types].includes("Files")) return;
  if (event.type === "paste" && given.getData("text/plain")) return; // a copied cell of a table is also a picture
  event.preventDefault();
  if (event.type !== "dragover") complain("Images and files cannot be sent from this page. Paste a text instead.", true);
}

function failed(error) {
  if (error.status === 401) return void enter();
  if (error.status === 404) complain("This chat does not exist; it may have been deleted.");
  else complain(error instanceof api.ServerError ? error.message : `This page has an error: ${error}`);
  away = error.status === 0;
  if (away) {
    clearTimeout(poll);
    poll = setTimeout(look, POLL);
  }
  return undefined;
}

/** Focus the message box; not on a touch screen, where a keyboard would cover the text. */
function toBox() {
  if (!matchMedia("(pointer: coarse)").matches) box.focus();
}

/** Make the box as high as its text, up to the limit in the style sheet. */
function fit() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
}

function drawer(is) {
  document.body.classList.toggle("drawer", is);
  $("menu").setAttribute("aria-expanded", String(is));
}

let entering = false;

/** Ask for the token, until the server takes it. */
async function enter(token = null, wrong = "") {
  if (entering) return;
  entering = true;
  loading(); // a message sent before the chat is opened again would be lost from sight
  complain("");
  let given = token;
  let sentence = wrong;
  for (;;) {
    given ??= await askText({
      title: "Log in", label: "The token of this server", accept: "Log in", type: "password", problem: sentence, needed: true,
    });
    if (given !== null) {
      try {
        await api.login(given);
        break;
      } catch (error) {
        sentence = error.message;
      }
    }
    given = null;
  }
  entering = false;
  await load();
}

async function load() {
  complain("");
  try {
    info = await api.info();
    info.agent = nameOf(info.agent);
  } catch (error) {
    failed(error);
    if (info.version !== undefined && error.status !== 401) isLoaded();
    return;
  }
  $("agent").textContent = info.model ? `${info.agent} · ${info.model}` : info.agent;
  $("opening").textContent = info.opening ?? "";
  $("hello").textContent = `Talk with ${info.agent}`;
  $("live").hidden = !info.interactive;
  $("version").textContent = `miniagents ${info.version}`;
  if (open.id !== null && open.id === addressed()) { // after another login: what is being edited stays
    refresh();
    await reload(open);
  } else {
    open = chat(undefined); // so that route() opens the chat in the address in any case
    await route();
  }
  isLoaded();
}

function start() {
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    say();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    say(event.ctrlKey || event.metaKey ? "steer" : "queue");
  });
  box.addEventListener("input", fit);
  for (const type of ["paste", "drop", "dragover"]) document.addEventListener(type, refuseFiles);
  stop.addEventListener("click", stopRun);
  $("new").addEventListener("click", () => {
    if (open.id === null) box.focus();
    drawer(false);
    location.hash = "";
  });
  $("older").addEventListener("click", older);
  $("skip").addEventListener("click", () => box.focus());
  $("menu").addEventListener("click", () => drawer(!document.body.classList.contains("drawer")));
  $("shade").addEventListener("click", () => drawer(false));
  $("threads").addEventListener("click", (event) => event.target.closest("a") && drawer(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (document.body.classList.contains("drawer")) {
      drawer(false);
      $("menu").focus();
    } else if (open.busy && info.interactive && box.value.trim()) say("interrupt");
    else stopRun();
  });
  document.addEventListener("visibilitychange", () => document.hidden || look());
  others.addEventListener("message", look);
  addEventListener("hashchange", route);
  addEventListener("online", look);
  toBox(); // who types at once may be faster than the server

  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return load();
  history.replaceState(null, "", location.pathname); // remove the token from the address
  return enter(token);
}

start();

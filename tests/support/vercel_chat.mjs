// The chat of the Vercel AI SDK, as a web page has it, driven by lines: a command in, what became of it out.
// Arguments: the path of the package's module.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { AbstractChat, DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses: isApproved } = await import(pathToFileURL(process.argv[2]).href);

class State {
  status = "ready";
  error = undefined;
  messages = [];
  watchers = [];
  pushMessage = message => this.changed([...this.messages, structuredClone(message)]);
  popMessage = () => this.changed(this.messages.slice(0, -1));
  replaceMessage = (index, message) => this.changed(this.messages.with(index, structuredClone(message)));
  snapshot = value => structuredClone(value);

  changed(messages) {
    this.messages = messages;
    this.watchers = this.watchers.filter(watcher => !watcher());
  }

  text() {
    return (this.messages.at(-1)?.parts ?? []).map(part => part.text ?? "").join("");
  }

  until(text) {
    if (this.text().includes(text)) return Promise.resolve();
    return new Promise(resolve => this.watchers.push(() => this.text().includes(text) && (resolve(), true)));
  }
}

class Chat extends AbstractChat {
  constructor({ messages = [], ...init }) {
    const state = new State();
    state.messages = messages;
    super({ ...init, state });
  }
}

let chat, said, pending;

function open({ id, messages, fetch, ...transport }) {
  said = { data: [], calls: [], finish: undefined };
  chat = new Chat({
    id,
    messages,
    transport: new DefaultChatTransport({ ...transport, fetch }),
    sendAutomaticallyWhen: given => isApproved(given),
    onData: part => said.data.push(part),
    onToolCall: ({ toolCall }) => void said.calls.push(toolCall),
    onFinish: ({ isAbort, isDisconnect, isError, finishReason }) =>
      (said.finish = { isAbort, isDisconnect, isError, finishReason }),
  });
}

const commands = {
  open,
  send: ({ message }) => void (pending = chat.sendMessage(message)),
  resume: () => void (pending = chat.resumeStream()),
  regenerate: () => void (pending = chat.regenerate()),
  output: ({ tool, call, output }) => chat.addToolOutput({ tool, toolCallId: call, output }),
  approve: ({ id, approved, reason }) => void (pending = chat.addToolApprovalResponse({ id, approved, reason })),
  look: () => {},
  // Wait for what it has sent by itself.
  settle: async () => {
    while (!["ready", "error"].includes(chat.state.status)) await new Promise(resolve => setTimeout(resolve, 10));
  },
  again: () => void (pending = chat.sendMessage()),
  until: ({ text }) => chat.state.until(text),
  wait: () => pending,
  leave: () => chat.stop(),
  fetch: async ({ url, method, body }) => {
    const headers = { "content-type": "application/json" };
    return { http: (await fetch(url, { method, headers, body: body && JSON.stringify(body) })).status };
  },
  // What it makes of a stream that is there whole.
  read: async ({ stream }) => {
    open({ id: "read", api: "http://127.0.0.1/", fetch: async () => new Response(Buffer.from(stream, "base64")) });
    await chat.sendMessage({ text: "read" });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  const told = (await commands[command](given)) ?? {};
  const { status, error, messages } = chat?.state ?? {};
  console.log(JSON.stringify({ ...said, ...told, status, error: error?.message, messages }));
}

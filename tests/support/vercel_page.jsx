// A page with `useChat` of the Vercel AI SDK, as an app has it: it keeps its messages itself, and everything that the
// page about HTTP names is a button.
import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, isToolUIPart, getToolName, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const api = "/chat/vercel";
const id = "chat-1";
const kept = JSON.parse(localStorage.getItem(id) ?? "[]");
const post = (where, body) =>
  fetch(`${api}/${id}/${where}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

function Approval({ part, answer, disabled }) {
  const [text, setText] = useState(JSON.stringify(part.input));
  const [reason, setReason] = useState("");
  const edited = () => ({ body: { arguments: { [part.approval.id]: JSON.parse(text) } } });
  return (
    <section aria-label="Approval">
      <p>May I call {getToolName(part)}?</p>
      <textarea aria-label="Arguments" value={text} onChange={({ target }) => setText(target.value)} />
      <button disabled={disabled} onClick={() => answer({ id: part.approval.id, approved: true })}>Allow</button>
      <button disabled={disabled} onClick={() => answer({ id: part.approval.id, approved: true, options: edited() })}>Allow as edited</button>
      <input aria-label="Reason" value={reason} onChange={({ target }) => setReason(target.value)} />
      <button disabled={disabled} onClick={() => answer({ id: part.approval.id, approved: false, reason })}>Reject</button>
    </section>
  );
}

function Question({ data }) {
  const [text, setText] = useState("");
  if (data.how) return <p className="asked">{data.how}</p>;
  return (
    <section aria-label="Question">
      <p>{data.shown.text}</p>
      <input aria-label="Answer" value={text} onChange={({ target }) => setText(target.value)} />
      <button onClick={() => post(`questions/${data.question}`, { digest: data.digest, value: text })}>Answer</button>
    </section>
  );
}

function Part({ part, answer, disabled }) {
  if (part.type === "text") return <p className="text">{part.text}</p>;
  if (part.type === "steering-message") return <p className="said">{part.parts.map(({ text }) => text).join("")}</p>;
  if (part.type === "data-question") return <Question data={part.data} />;
  if (!isToolUIPart(part)) return null;
  if (part.state === "approval-requested") return <Approval part={part} answer={answer} disabled={disabled} />;
  const result = part.output ?? part.errorText ?? part.approval?.reason;
  const edited = part.callProviderMetadata?.miniagents?.edited && "edited";
  return <p className="call">{[getToolName(part), JSON.stringify(part.input), edited, part.state, result && JSON.stringify(result)].filter(Boolean).join(" ")}</p>;
}

function Chat() {
  const [text, setText] = useState("");
  const [resumed, setResumed] = useState(false);
  const { messages, sendMessage, status, error, addToolApprovalResponse, resumeStream } = useChat({
    id,
    messages: kept,
    transport: new DefaultChatTransport({ api }),
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  // Until the server has told what it knows: the SDK would put that in the place of what a user did meanwhile.
  useEffect(() => void resumeStream().finally(() => setResumed(true)), []);
  const waits = !resumed && status === "ready";
  useEffect(() => localStorage.setItem(id, JSON.stringify(messages)), [messages]);
  const say = (when) => {
    post("say", { text, when });
    setText("");
  };
  const send = () => {
    sendMessage({ text });
    setText("");
  };
  return (
    <>
      <main data-status={waits ? "resuming" : status}>
        {messages.map((message) => (
          <article key={message.id} aria-label={message.role}>
            {message.parts.map((part, at) => (
              <Part key={at} part={part} answer={addToolApprovalResponse} disabled={waits} />
            ))}
          </article>
        ))}
        {error && <p role="alert">{error.message}</p>}
      </main>
      <footer>
        <input aria-label="Message" value={text} onChange={({ target }) => setText(target.value)} />
        {["ready", "error"].includes(status) ? (
          <button disabled={waits} onClick={send}>Send</button>
        ) : (
          ["steer", "queue", "interrupt"].map((when) => (
            <button key={when} onClick={() => say(when)}>
              {when[0].toUpperCase() + when.slice(1)}
            </button>
          ))
        )}
      </footer>
    </>
  );
}

createRoot(document.getElementById("root")).render(<Chat />);

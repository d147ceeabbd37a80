// A button that asks before it does something that cannot be undone.

import { Dialog } from "./dialog.js";
import { html, useState } from "./html.js";
import { useSending } from "./sending.js";
import { Failure } from "./states.js";

/** `send` returns a promise; `onDone` is called once it is fulfilled. */
export function Confirmed({ t, id, label, name, title, body, send, onDone }) {
  const [asking, setAsking] = useState(false);
  const sending = useSending();
  const close = () => {
    sending.clear();
    setAsking(false);
  };
  const confirm = async () => {
    const done = await sending.run(async () => {
      await send();
      return true;
    });
    if (!done) return;
    setAsking(false);
    onDone();
  };
  return html`<button type="button" class="danger" aria-label=${name} onClick=${() => setAsking(true)}>${label}</button>
    ${asking &&
    html`<${Dialog} title=${title} id=${`ask-${id}`} onClose=${close}>
      <p>${body}</p>
      ${sending.error && html`<${Failure} t=${t} error=${sending.error} />`}
      <div class="row">
        <button type="button" class="quiet" onClick=${close}>${t("cancel")}</button>
        <button type="button" class="danger" disabled=${sending.busy} onClick=${confirm}>${label}</button>
      </div>
    <//>`}`;
}

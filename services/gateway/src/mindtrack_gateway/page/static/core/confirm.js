// A button that asks before it does something that cannot be undone.

import { Dialog } from "./dialog.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { useSending } from "./sending.js";
import { Failure } from "./states.js";

/** Stands in a section with a heading that takes the focus. `onDone` is called once the promise of `send` is fulfilled. */
export function Confirmed({ t, id, label, name, title, body, send, onDone }) {
  const [asking, setAsking] = useState(false);
  const [times, setTimes] = useState(0);
  const button = useRef(null);
  useEffect(() => {
    if (times === 0) return;
    // The button goes with what it ended: its section's heading stays.
    button.current.closest("section").querySelector("h2").focus();
    onDone();
  }, [times]);
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
    setTimes((former) => former + 1);
  };
  return html`<button type="button" class="danger" ref=${button} aria-label=${name} onClick=${() => setAsking(true)}>${label}</button>
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

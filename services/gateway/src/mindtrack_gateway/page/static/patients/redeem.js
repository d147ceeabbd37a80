// A code that a person passed on becomes a grant.

import { post } from "../core/api.js";
import { Dialog } from "../core/dialog.js";
import { html, useRef, useState } from "../core/html.js";
import { useSending } from "../core/sending.js";
import { Failure } from "../core/states.js";

export function Redeem({ t, onDone }) {
  const [asking, setAsking] = useState(false);
  const field = useRef(null);
  const sending = useSending();
  const close = () => {
    sending.clear();
    setAsking(false);
  };
  const send = async (event) => {
    event.preventDefault();
    const grant = await sending.run(() => post("/v1/grants", { code: field.current.value.trim() }));
    if (grant === undefined) return;
    setAsking(false);
    onDone();
  };
  return html`<button type="button" onClick=${() => setAsking(true)}>${t("patients.redeem")}</button>
    ${asking &&
    html`<${Dialog} title=${t("patients.redeem")} id="redeem-title" onClose=${close}>
      <form class="stack" onSubmit=${send}>
        <p>${t("patients.redeem.body")}</p>
        <div>
          <label for="code">${t("patients.code")}</label>
          <input id="code" ref=${field} required autocomplete="off" autocapitalize="characters" spellcheck=${false} />
        </div>
        ${sending.error && html`<${Failure} t=${t} error=${sending.error} />`}
        <div class="row">
          <button type="button" class="quiet" onClick=${close}>${t("cancel")}</button>
          <button type="submit" disabled=${sending.busy}>${t("patients.redeem.send")}</button>
        </div>
      </form>
    <//>`}`;
}

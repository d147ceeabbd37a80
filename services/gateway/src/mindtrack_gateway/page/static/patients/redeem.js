// How somebody becomes a patient here: they invite, and tell their code.

import { post } from "../core/api.js";
import { Dialog } from "../core/dialog.js";
import { html, useRef, useState } from "../core/html.js";
import { useSending } from "../core/sending.js";
import { Failure } from "../core/states.js";

const LONGEST = 64;

/** A button and its dialog. `redeemed` gets the grant. */
export function Redeem({ t, redeemed }) {
  const [open, setOpen] = useState(false);
  const done = (grant) => {
    setOpen(false);
    redeemed(grant);
  };
  return html`<button type="button" onClick=${() => setOpen(true)}>${t("patients.redeem")}</button>
    ${open && html`<${CodeDialog} t=${t} done=${done} close=${() => setOpen(false)} />`}`;
}

function CodeDialog({ t, done, close }) {
  const field = useRef(null);
  const sending = useSending();
  const redeem = async (event) => {
    event.preventDefault();
    const grant = await sending.run(() => post("/v1/grants", { code: field.current.value.trim() }));
    if (grant) done(grant);
    else field.current.focus();
  };
  return html`<${Dialog} title=${t("patients.redeem")} id="patients-redeem-title" onClose=${close}>
    <form class="stack" onSubmit=${redeem}>
      <p>${t("patients.redeem.body")}</p>
      <div>
        <label for="patients-code">${t("patients.redeem.code")}</label>
        <input
          ref=${field}
          id="patients-code"
          required
          maxlength=${LONGEST}
          autocomplete="off"
          autocapitalize="characters"
          spellcheck=${false}
          placeholder="7K3M-9QXD-2HVT-4B8N"
        />
      </div>
      ${sending.error && html`<${Refusal} t=${t} failure=${sending.error} />`}
      <div class="row">
        <button disabled=${sending.busy}>${t("patients.redeem.do")}</button>
        <button type="button" class="quiet" onClick=${close}>${t("cancel")}</button>
      </div>
    </form>
  <//>`;
}

function Refusal({ t, failure }) {
  if (failure.kind !== "not-found") return html`<${Failure} t=${t} error=${failure} />`;
  return html`<p class="notice warn" role="alert">${t("patients.redeem.unknown")}</p>`;
}

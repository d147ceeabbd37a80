// How somebody becomes a patient here: they invite, and tell their code.

import { post } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
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
  const dialog = useRef(null);
  const field = useRef(null);
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState(false);
  // Closing it as a dialog, before it is gone, gives the focus back to the button.
  useEffect(() => {
    const shown = dialog.current;
    shown.showModal();
    return () => shown.close();
  }, []);

  async function redeem(event) {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      done(await post("/v1/grants", { code: field.current.value.trim() }));
    } catch (error) {
      if (error.kind === undefined) throw error;
      setBusy(false);
      setFailure(error);
      field.current.focus();
    }
  }

  const leave = () => dialog.current.close();
  return html`<dialog ref=${dialog} aria-labelledby="patients-redeem-title" onClose=${close}>
    <form class="stack" onSubmit=${redeem}>
      <h2 id="patients-redeem-title">${t("patients.redeem")}</h2>
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
      ${failure && html`<${Refusal} t=${t} failure=${failure} />`}
      <div class="row">
        <button disabled=${busy}>${t("patients.redeem.do")}</button>
        <button type="button" class="quiet" onClick=${leave}>${t("cancel")}</button>
      </div>
    </form>
  </dialog>`;
}

function Refusal({ t, failure }) {
  if (failure.kind !== "not-found") return html`<${Failure} t=${t} error=${failure} />`;
  return html`<p class="notice warn" role="alert">${t("patients.redeem.unknown")}</p>`;
}

// What a clinician calls a person, changed where it stands.

import { put } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
import { useSending } from "../core/sending.js";
import { Failure } from "../core/states.js";

const LONGEST = 80;

export function Label({ t, patient }) {
  const [label, setLabel] = useState(patient.label);
  const [editing, setEditing] = useState(false);
  const button = useRef(null);
  const name = label ?? t("patients.nameless", { id: patient.user_id.slice(-6) });
  const close = (saved) => {
    if (saved !== undefined) setLabel(saved);
    setEditing(false);
    setTimeout(() => button.current?.focus());
  };
  if (editing) return html`<${Form} t=${t} patient=${patient} label=${label} close=${close} />`;
  return html`<a href=${`/patients/${patient.user_id}`}>${name}</a>${" "}
    <button
      type="button"
      class="quiet small"
      ref=${button}
      aria-label=${t("patients.rename", { name })}
      onClick=${() => setEditing(true)}
    >
      ${t("patients.edit")}
    </button>`;
}

function Form({ t, patient, label, close }) {
  const field = useRef(null);
  const sending = useSending();
  useEffect(() => field.current.select(), []);
  const save = async (event) => {
    event.preventDefault();
    const wanted = field.current.value.trim() || null;
    const saved = await sending.run(() => put(`/v1/patients/${patient.user_id}/label`, { label: wanted }));
    if (saved !== undefined) close(wanted);
  };
  return html`<form class="row" onSubmit=${save} onKeyDown=${(event) => event.key === "Escape" && close()}>
    <input ref=${field} value=${label ?? ""} maxlength=${LONGEST} aria-label=${t("patients.label")} />
    <button type="submit" class="small" disabled=${sending.busy}>${t("patients.save")}</button>
    <button type="button" class="quiet small" onClick=${() => close()}>${t("cancel")}</button>
    ${sending.error && html`<${Failure} t=${t} error=${sending.error} />`}
  </form>`;
}

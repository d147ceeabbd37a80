// A clinician's own word for a person, changed where it stands.

import { put } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
import { Failure } from "../core/states.js";

const LONGEST = 80;

export const called = (t, { label, user_id }) => label ?? t("patients.unnamed", { id: user_id.slice(-6) });

export function Label({ t, patient, relabel }) {
  const [editing, setEditing] = useState(false);
  const button = useRef(null);
  const left = useRef(false);
  useEffect(() => {
    if (!editing && left.current) button.current.focus();
    left.current = editing;
  }, [editing]);
  const close = () => setEditing(false);
  if (editing) return html`<${Editor} t=${t} patient=${patient} relabel=${relabel} close=${close} />`;
  const name = called(t, patient);
  return html`<span class="patients-name">
    <a class=${patient.label === null ? "unnamed" : ""} href=${`/patients/${patient.user_id}`}>${name}</a>
    <button
      ref=${button}
      type="button"
      class="quiet small"
      aria-label=${t("patients.label.edit-of", { name })}
      onClick=${() => setEditing(true)}
    >
      ${t("patients.label.edit")}
    </button>
  </span>`;
}

function Editor({ t, patient, relabel, close }) {
  const field = useRef(null);
  const [failure, setFailure] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => field.current.select(), []);

  async function save(event) {
    event.preventDefault();
    const label = field.current.value.trim() || null;
    setBusy(true);
    try {
      await put(`/v1/patients/${patient.user_id}/label`, { label });
    } catch (error) {
      if (error.kind === undefined) throw error;
      setBusy(false);
      setFailure(error);
      return;
    }
    relabel(patient.user_id, label);
    close();
  }

  const leave = (event) => event.key === "Escape" && close();
  return html`<form class="patients-label" onSubmit=${save} onKeyDown=${leave}>
    <input
      ref=${field}
      aria-label=${t("patients.label.field", { name: called(t, patient) })}
      defaultValue=${patient.label ?? ""}
      maxlength=${LONGEST}
      autocomplete="off"
    />
    <button class="small" disabled=${busy}>${t("patients.label.save")}</button>
    <button type="button" class="quiet small" onClick=${close}>${t("cancel")}</button>
    ${failure && html`<${Failure} t=${t} error=${failure} />`}
  </form>`;
}

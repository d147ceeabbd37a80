// The clinician's own notes. The person may read them, so the form says so.

import { post } from "../core/api.js";
import { html, useRef, useState } from "../core/html.js";
import { Failure } from "../core/states.js";
import { Part, attempt } from "./access.js";
import { More, useList } from "./list.js";
import { Note } from "./note.js";
import { of } from "./person.js";

export const LONGEST_NOTE = 10_000; // characters

export function NotesPart({ t, access }) {
  const [deleted, setDeleted] = useState(false);
  const list = useList(access, "notes", of("notes"), { deleted: deleted || null });
  const changed = list.from.again;
  return html`<${Part} t=${t} name="notes" from=${list.from} className="no-print">
    ${() => html`
      <${Write} t=${t} access=${access} onWritten=${changed} />
      <p>
        <label class="tick">
          <input type="checkbox" checked=${deleted} onChange=${(event) => setDeleted(event.target.checked)} />
          ${t("patient.notes.deleted")}
        </label>
      </p>
      ${list.items.length === 0 && html`<p class="quiet">${t("patient.notes.none")}</p>`}
      <ul class="plain stack">
        ${list.items.map(
          (note) => html`<${Note} key=${note.id} t=${t} access=${access} note=${note} onChanged=${changed} />`,
        )}
      </ul>
      <${More} t=${t} list=${list} />
    `}
  <//>`;
}

function Write({ t, access, onWritten }) {
  const [text, setText] = useState("");
  const [state, setState] = useState({ busy: false, error: null, done: false });
  // A note that is sent again, because its answer got lost, is one note.
  const key = useRef(crypto.randomUUID());
  const write = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null, done: false });
    const headers = { "Idempotency-Key": key.current };
    const fail = (error) => setState({ busy: false, error, done: false });
    const note = await attempt(access, () => post(of("notes"), { text }, { headers }), fail);
    if (!note) return;
    key.current = crypto.randomUUID();
    setText("");
    setState({ busy: false, error: null, done: true });
    onWritten();
  };
  const typed = (event) => {
    if (state.error) key.current = crypto.randomUUID();
    setText(event.target.value);
    setState({ busy: false, error: null, done: false });
  };
  return html`<form class="stack" onSubmit=${write}>
    <div>
      <label for="note">${t("patient.notes.write")}</label>
      <textarea id="note" rows="3" maxlength=${LONGEST_NOTE} aria-describedby="note-hint" value=${text} onInput=${typed}></textarea>
      <p id="note-hint" class="quiet">${t("patient.notes.hint")}</p>
    </div>
    ${state.error && html`<${Failure} t=${t} error=${state.error} />`}
    <div class="row">
      <button disabled=${state.busy || text.trim() === ""}>${t("patient.notes.save")}</button>
      <span role="status">${state.done ? t("patient.notes.saved") : ""}</span>
    </div>
  </form>`;
}

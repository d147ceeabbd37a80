// One note: what it says, what it said before, and how to change it or take it out.

import { get, patch, remove } from "../core/api.js";
import { moment } from "../core/format.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
import { Failure, Loaded, useLoaded } from "../core/states.js";
import { attempt } from "./access.js";
import { of } from "./person.js";

export function Note({ t, access, note, onChanged }) {
  const [mode, setMode] = useState("read");
  const actions = useRef(null);
  const back = () => setMode("read");
  const done = () => {
    back();
    onChanged();
  };
  const before = useRef(mode);
  useEffect(() => {
    // The button that was pressed last is gone: go on where it was.
    if (mode === "read" && before.current !== "read") actions.current?.querySelector("button")?.focus();
    before.current = mode;
  }, [mode]);
  const props = { t, access, note, onDone: done, onCancel: back };
  return html`<li class="note">
    <${Times} t=${t} note=${note} />
    ${mode === "change" ? html`<${Change} ...${props} />` : html`<p class="text">${note.text}</p>`}
    ${mode === "remove" && html`<${Remove} ...${props} />`}
    ${
      mode === "read" &&
      !note.deleted_at &&
      html`<div class="row" ref=${actions}>
        <button type="button" class="quiet" onClick=${() => setMode("change")}>${t("patient.note.change")}</button>
        <button type="button" class="quiet" onClick=${() => setMode("remove")}>${t("patient.note.remove")}</button>
      </div>`
    }
    ${note.revision > 1 && html`<${Former} t=${t} access=${access} note=${note} />`}
  </li>`;
}

function Times({ t, note }) {
  const said = [t("patient.note.created", { moment: moment(note.created_at) })];
  if (note.revision > 1) said.push(t("patient.note.updated", { moment: moment(note.updated_at) }));
  if (note.deleted_at) said.push(t("patient.note.deleted", { moment: moment(note.deleted_at) }));
  return html`<p class="quiet">${said.join(" · ")}</p>`;
}

/** What a form of a note does: send, then be done or say what went wrong. */
function useSending(access, act, onDone) {
  const [state, setState] = useState({ busy: false, error: null });
  const send = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null });
    let failed = false;
    await attempt(access, act, (error) => {
      failed = true;
      setState({ busy: false, error });
    });
    if (!failed) onDone();
  };
  return { ...state, send };
}

function Change({ t, access, note, onDone, onCancel }) {
  const [text, setText] = useState(note.text);
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const { busy, error, send } = useSending(access, () => patch(of(`notes/${note.id}`), { text }), onDone);
  return html`<form class="stack" onSubmit=${send}>
    <div>
      <label for="note-${note.id}">${t("patient.note.text")}</label>
      <textarea id="note-${note.id}" ref=${field} rows="4" maxlength="10000" value=${text}
        onInput=${(event) => setText(event.target.value)}></textarea>
    </div>
    ${error && html`<${Failure} t=${t} error=${error} />`}
    <div class="row">
      <button disabled=${busy || text.trim() === ""}>${t("patient.notes.save")}</button>
      <button type="button" class="quiet" onClick=${onCancel}>${t("cancel")}</button>
    </div>
  </form>`;
}

function Remove({ t, access, note, onDone, onCancel }) {
  const button = useRef(null);
  useEffect(() => button.current.focus(), []);
  const { busy, error, send } = useSending(access, () => remove(of(`notes/${note.id}`)), onDone);
  return html`<form class="notice warn" onSubmit=${send}>
    <p>${t("patient.note.remove.ask")}</p>
    ${error && html`<${Failure} t=${t} error=${error} />`}
    <div class="row">
      <button ref=${button} class="danger" disabled=${busy}>${t("patient.note.remove")}</button>
      <button type="button" class="quiet" onClick=${onCancel}>${t("cancel")}</button>
    </div>
  </form>`;
}

function Former({ t, access, note }) {
  const [open, setOpen] = useState(false);
  return html`<details onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${t("patient.note.former", { count: note.revision - 1 })}</summary>
    ${open && html`<${Revisions} t=${t} access=${access} note=${note} />`}
  </details>`;
}

function Revisions({ t, access, note }) {
  const from = useLoaded((signal) => get(of(`notes/${note.id}`), { signal }), [note.id, note.revision]);
  useEffect(() => {
    if (from.error?.kind === "not-found") access.recheck();
  }, [from.error]);
  return html`<${Loaded} t=${t} from=${from}>
    ${(found) => html`<ol class="plain" reversed>
      ${found.former.map(
        (each) => html`<li key=${each.revision}>
          <p class="quiet">${moment(each.written_at)}</p>
          <p class="text">${each.text}</p>
        </li>`,
      )}
    </ol>`}
  <//>`;
}

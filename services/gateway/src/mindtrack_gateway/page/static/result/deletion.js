// Deletes a recording with everything that came of it, after asking.

import { remove } from "../core/api.js";
import { Dialog } from "../core/dialog.js";
import { html, useState } from "../core/html.js";
import { useSending } from "../core/sending.js";
import { Failure } from "../core/states.js";

export function Deletion({ t, id, deleted }) {
  const [asking, setAsking] = useState(false);
  const sending = useSending();
  const close = () => {
    sending.clear();
    setAsking(false);
  };
  const confirm = async () => {
    const done = await sending.run(async () => {
      await remove(`/v1/jobs/${id}`);
      return true;
    });
    if (!done) return;
    setAsking(false);
    deleted();
  };
  return html`<p>
      <button type="button" class="danger" onClick=${() => setAsking(true)}>${t("result.delete")}</button>
    </p>
    ${asking &&
    html`<${Dialog} title=${t("result.delete.title")} id="deletion" onClose=${close}>
      <p>${t("result.delete.what")}</p>
      ${sending.error && html`<${Failure} t=${t} error=${sending.error} />`}
      <div class="row">
        <button type="button" class="quiet" onClick=${close}>${t("cancel")}</button>
        <button type="button" class="danger" onClick=${confirm} disabled=${sending.busy}>${t("result.delete.confirm")}</button>
      </div>
    <//>`}`;
}

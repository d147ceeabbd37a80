// Deletes a recording with everything that came of it, after asking.

import { remove } from "../core/api.js";
import { html, useRef, useState } from "../core/html.js";
import { Failure } from "../core/states.js";

export function Deletion({ t, id, deleted }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await remove(`/v1/jobs/${id}`);
      dialog.current.close();
      deleted();
    } catch (failed) {
      if (failed.kind === undefined) throw failed;
      setError(failed);
      setBusy(false);
    }
  };
  return html`<p>
      <button type="button" class="danger" onClick=${() => dialog.current.showModal()}>${t("result.delete")}</button>
    </p>
    <dialog ref=${dialog} aria-labelledby="deletion">
      <h2 id="deletion">${t("result.delete.title")}</h2>
      <p>${t("result.delete.what")}</p>
      ${error && html`<${Failure} t=${t} error=${error} />`}
      <div class="row">
        <button type="button" class="quiet" autofocus onClick=${() => dialog.current.close()}>${t("cancel")}</button>
        <button type="button" class="danger" onClick=${confirm} disabled=${busy}>${t("result.delete.confirm")}</button>
      </div>
    </dialog>`;
}

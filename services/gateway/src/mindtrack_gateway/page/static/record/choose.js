// The second way: a file that was recorded elsewhere.

import { html } from "../core/html.js";

export function Choose({ t, choose }) {
  const chosen = ({ target }) => {
    const [file] = target.files;
    target.value = "";
    if (file) choose(file);
  };
  return html`<details>
    <summary>${t("home.file")}</summary>
    <p class="quiet" id="file-help">${t("home.file.help")}</p>
    <label for="file">${t("home.file.label")}</label>
    <input id="file" type="file" accept="audio/*,.m4a,.webm,.amr" aria-describedby="file-help" onChange=${chosen} />
  </details>`;
}

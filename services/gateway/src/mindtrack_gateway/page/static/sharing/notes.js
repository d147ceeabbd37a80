// What clinicians wrote down about the person.

import { moment } from "../core/format.js";
import { html } from "../core/html.js";
import { Paged, usePaged } from "../core/paged.js";

export function Notes({ t }) {
  const from = usePaged("/v1/users/me/notes", { limit: 10 });
  return html`<${Paged} t=${t} from=${from} empty=${t("sharing.notes.empty")}>
    ${(items) => html`<ul class="entries">
      ${items.map(
        (note) => html`<li key=${note.id}>
          <p class="written">${note.text}</p>
          <p class="quiet">
            <time datetime=${note.created_at}>${moment(note.created_at)}</time>
            ${note.revision > 1 && html` · ${t("sharing.note.changed", { at: moment(note.updated_at) })}`}
          </p>
          <p class="quiet">
            ${note.author_id === null
              ? t("sharing.note.nobody")
              : html`${t("sharing.clinician")} <code class="id">${note.author_id}</code>`}
          </p>
        </li>`,
      )}
    </ul>`}
  <//>`;
}

// Who read what, and when.

import { moment } from "../core/format.js";
import { html } from "../core/html.js";
import { Paged, usePaged } from "../core/paged.js";

/** `grants`: those known, to tell by which purpose somebody read. */
export function Accesses({ t, grants }) {
  const from = usePaged("/v1/users/me/accesses", { limit: 20 });
  const purposes = new Map(grants.map((each) => [each.id, each.purpose]));
  return html`<${Paged} t=${t} from=${from} empty=${t("sharing.accesses.empty")}>
    ${(items) => html`<ol class="log">
      ${items.map(
        (each) => html`<li key=${each.id}>
          <time datetime=${each.at}>${moment(each.at)}</time>
          <div>
            ${action(t, each.action)}
            ${each.reason && html` <span class="badge warn">${t("sharing.emergency")}</span>`}
            ${each.outcome === "refused" && html` <span class="badge warn">${t("sharing.refused")}</span>`}
            <div class="quiet">
              ${purposes.get(each.grant_id) ?? html`${t("sharing.clinician")} <code class="id">${each.clinician_id}</code>`}
              ${each.reason && html`<br />${each.reason}`}
            </div>
          </div>
        </li>`,
      )}
    </ol>`}
  <//>`;
}

function action(t, name) {
  const key = `sharing.action.${name}`;
  return t.has(key) ? t(key) : name;
}

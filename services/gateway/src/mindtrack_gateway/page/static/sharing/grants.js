// Who may read what, until when; and who might once.

import { remove } from "../core/api.js";
import { Confirmed } from "../core/confirm.js";
import { moment } from "../core/format.js";
import { html } from "../core/html.js";
import { Paged } from "../core/paged.js";
import { Terms } from "./terms.js";

const BADGES = { live: "good", revoked: "soft", expired: "soft" };

export function Grants({ t, from, onChange }) {
  return html`<${Paged} t=${t} from=${from} empty=${t("sharing.grants.empty")}>
    ${(items) => {
      const given = items.filter((each) => each.you_are === "person");
      const live = given.filter((each) => each.state === "live");
      const former = given.filter((each) => each.state !== "live");
      return html`${live.length === 0 ? html`<p class="quiet">${t("sharing.grants.empty")}</p>` : list(t, live, onChange)}
        ${former.length > 0 &&
        html`<details>
          <summary>${t("sharing.grants.former", { count: former.length, number: former.length })}</summary>
          ${list(t, former, onChange)}
        </details>`}`;
    }}
  <//>`;
}

const list = (t, items, onChange) => html`<ul class="entries">
  ${items.map((each) => html`<${Grant} key=${each.id} t=${t} grant=${each} onChange=${onChange} />`)}
</ul>`;

function Grant({ t, grant, onChange }) {
  const { id, purpose, state } = grant;
  const values = { since: moment(grant.granted_at), until: moment(grant.revoked_at ?? grant.expires_at) };
  return html`<li>
    <div class="row">
      <h3>${purpose}</h3>
      <span class=${`badge ${BADGES[state]}`}>${t(`sharing.grant.${state}`)}</span>
    </div>
    <${Terms} t=${t} of=${grant} />
    <p class="quiet">
      ${t(state === "live" ? "sharing.grant.period" : "sharing.grant.ended", values)}
      ${grant.revoked_by && html` ${t(`sharing.revoked_by.${grant.revoked_by}`)}`}
    </p>
    <p class="quiet">${t("sharing.clinician")} <code class="id">${grant.clinician_id}</code></p>
    ${state === "live" &&
    html`<${Confirmed} t=${t} id=${id} label=${t("sharing.revoke")} name=${t("sharing.revoke.name", { purpose })}
      title=${t("sharing.revoke.title")} body=${t("sharing.revoke.body", { purpose })}
      send=${() => remove(`/v1/grants/${id}`)} onDone=${onChange} />`}
  </li>`;
}

// Invitations that nobody has redeemed yet.

import { remove } from "../core/api.js";
import { Confirmed } from "../core/confirm.js";
import { moment } from "../core/format.js";
import { html } from "../core/html.js";
import { Paged } from "../core/paged.js";
import { Terms } from "./terms.js";

export function Invitations({ t, from, onChange }) {
  const open = (items) => items.filter((each) => each.state === "open");
  return html`<${Paged} t=${t} from=${from} empty=${t("sharing.invitations.empty")}>
    ${(items) =>
      open(items).length === 0
        ? html`<p class="quiet">${t("sharing.invitations.empty")}</p>`
        : html`<ul class="entries">
            ${open(items).map((each) => html`<${Invitation} key=${each.id} t=${t} invitation=${each} onChange=${onChange} />`)}
          </ul>`}
  <//>`;
}

function Invitation({ t, invitation, onChange }) {
  const { id, purpose } = invitation;
  return html`<li>
    <h3>${purpose}</h3>
    <${Terms} t=${t} of=${invitation} />
    <p class="quiet">
      ${t("sharing.invitation.until", { until: moment(invitation.expires_at) })}${" "}
      ${t("sharing.invitation.days", { count: invitation.grant_days, days: invitation.grant_days })}
    </p>
    <${Confirmed} t=${t} id=${id} label=${t("sharing.withdraw")} name=${t("sharing.withdraw.name", { purpose })}
      title=${t("sharing.withdraw.title")} body=${t("sharing.withdraw.body")}
      send=${() => remove(`/v1/invitations/${id}`)} onDone=${onChange} />
  </li>`;
}

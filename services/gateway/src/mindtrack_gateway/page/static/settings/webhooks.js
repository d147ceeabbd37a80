// Programs of the person's that are told of results.

import { get, remove } from "../core/api.js";
import { Confirmed } from "../core/confirm.js";
import { moment } from "../core/format.js";
import { html } from "../core/html.js";
import { Loaded, useLoaded } from "../core/states.js";

export function Webhooks({ t }) {
  const found = useLoaded((signal) => get("/v1/webhooks", { signal }), []);
  return html`<${Loaded} t=${t} from=${found}>
    ${({ items }) =>
      items.length === 0
        ? html`<p class="quiet">${t("settings.webhooks.empty")}</p>`
        : html`<ul class="hooks">
            ${items.map((each) => html`<${Webhook} key=${each.id} t=${t} hook=${each} onChange=${found.again} />`)}
          </ul>`}
  <//>`;
}

function Webhook({ t, hook, onChange }) {
  const on = hook.status === "enabled";
  return html`<li>
    <div class="row">
      <strong class="address">${hook.url}</strong>
      <span class=${`badge ${on ? "good" : "soft"}`}>${t(on ? "settings.webhook.enabled" : "settings.webhook.disabled")}</span>
    </div>
    ${hook.description && html`<p>${hook.description}</p>`}
    <p class="quiet">${hook.events.join(", ")}</p>
    <p class="quiet">
      ${t("settings.webhook.since", { since: moment(hook.created_at) })}
      ${hook.failing_since && html` ${t("settings.webhook.failing", { since: moment(hook.failing_since) })}`}
    </p>
    <${Confirmed} t=${t} id=${hook.id} label=${t("settings.webhook.delete")}
      name=${t("settings.webhook.delete.name", { url: hook.url })} title=${t("settings.webhook.delete.title")}
      body=${t("settings.webhook.delete.body", { url: hook.url })}
      send=${() => remove(`/v1/webhooks/${hook.id}`)} onDone=${onChange} />
  </li>`;
}

// Open alerts, in the words of the API, and that somebody has seen them.

import { post } from "../core/api.js";
import { day } from "../core/format.js";
import { html, useState } from "../core/html.js";
import { Failure } from "../core/states.js";

export function Alerts({ t, from }) {
  if (from.error) {
    return html`<section class="card" aria-label=${t("home.alerts")}>
      <${Failure} t=${t} error=${from.error} again=${from.again} />
    </section>`;
  }
  const open = from.value?.items ?? [];
  return open.map((alert) => html`<${Alert} key=${alert.id} t=${t} alert=${alert} changed=${from.again} />`);
}

function Alert({ t, alert, changed }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const seen = async () => {
    setBusy(true);
    setError(null);
    try {
      await post(`/v1/users/me/alerts/${alert.id}/acknowledge`);
      changed();
    } catch (failed) {
      if (failed.kind === undefined) throw failed;
      setError(failed);
    }
    setBusy(false);
  };
  const id = `alert-${alert.id}`;
  return html`<section class="card" aria-labelledby=${id}>
    <h2 id=${id}>${alert.opening?.title ?? t(`measure.${alert.measure}`)}</h2>
    <p class="quiet">${t("home.alert.since", { day: day(alert.opened_on) })}</p>
    <p>${alert.opening?.body ?? t("home.alert.erased")}</p>
    ${alert.opening && html`<p class="quiet">${alert.opening.meaning}</p>`}
    <div aria-live="polite">
      ${error && html`<${Failure} t=${t} error=${error} />`}
      ${alert.acknowledged_at
        ? html`<p class="quiet">${t("home.alert.seen")}</p>`
        : html`<button type="button" class="quiet" onClick=${seen} disabled=${busy}>${t("home.alert.acknowledge")}</button>`}
    </div>
  </section>`;
}

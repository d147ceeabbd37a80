// How many stand how. Each count that the list can be narrowed to is a button that does so.

import { date } from "../core/format.js";
import { html } from "../core/html.js";
import { standing } from "../core/standing.js";
import { Failure } from "../core/states.js";
import { EVERYBODY, narrowed, STATUSES } from "./query.js";

const Count = ({ count, text, pressed, press }) => html`<button
  type="button"
  class="quiet patients-count"
  aria-pressed=${String(pressed)}
  onClick=${press}
>
  <span class="figure">${count ?? "–"}</span> <span>${text}</span>
</button>`;

const toggled = (list, each) => (list.includes(each) ? list.filter((other) => other !== each) : [...list, each]);

export function Counts({ t, overview, query, ask }) {
  const counted = overview.value;
  const alerts = query.open_alerts === "true";
  return html`<section class="stack" aria-labelledby="patients-overview">
    <h2 class="visually-hidden" id="patients-overview">${t("patients.overview")}</h2>
    ${overview.error && html`<${Failure} t=${t} error=${overview.error} again=${overview.again} />`}
    <div class="patients-counts" role="group" aria-label=${t("patients.overview.filter")}>
      <${Count}
        count=${counted?.persons}
        text=${t("patients.overview.all")}
        pressed=${!narrowed(query)}
        press=${() => ask(EVERYBODY)}
      />
      ${STATUSES.map(
        (status) => html`<${Count}
          key=${status}
          count=${counted?.by_status[status]}
          text=${standing(t, status)}
          pressed=${query.status.includes(status)}
          press=${() => ask({ status: toggled(query.status, status) })}
        />`,
      )}
      <${Count}
        count=${counted?.alerts.persons}
        text=${t("patients.overview.alerts")}
        pressed=${alerts}
        press=${() => ask({ open_alerts: alerts ? "" : "true" })}
      />
    </div>
    ${counted && html`<${Remarks} t=${t} counted=${counted} />`}
  </section>`;
}

function Remarks({ t, counted }) {
  const { alerts, silent, silent_days: days } = counted;
  const said = [
    silent > 0 && t("patients.overview.silent", { count: silent, days }),
    alerts.oldest_since && t("patients.overview.oldest", { day: date(alerts.oldest_since) }),
    counted.not_evaluated > 0 && t("patients.overview.not-evaluated", { count: counted.not_evaluated }),
    counted.trends_not_granted > 0 && t("patients.overview.no-trends", { count: counted.trends_not_granted }),
    alerts.not_granted > 0 && t("patients.overview.no-alerts", { count: alerts.not_granted }),
  ].filter(Boolean);
  return said.length > 0 && html`<ul class="patients-remarks">${said.map((text) => html`<li>${text}</li>`)}</ul>`;
}

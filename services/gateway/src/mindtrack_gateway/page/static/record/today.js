// Where the last days lie beside what is usual, and what there is to know about it.

import { address, get } from "../core/api.js";
import { html } from "../core/html.js";
import { standing } from "../core/standing.js";
import { Loaded, useLoaded } from "../core/states.js";
import { Trend } from "../core/trend.js";
import { Calibration } from "../trends/calibration.js";
import { Caveats } from "../trends/caveats.js";
import { Alerts } from "./alerts.js";

const DAYS = 90;

/** `turn` changes when there is something new. */
export function Today({ t, turn }) {
  const trends = useLoaded((signal) => get(address("/v1/users/me/trends", { days: DAYS }), { signal }), [turn]);
  const alerts = useLoaded((signal) => get(address("/v1/users/me/alerts", { open: true }), { signal }), [turn]);
  return html`<div class="stack">
    <${Alerts} t=${t} from=${alerts} />
    <section class="card" aria-labelledby="today">
      <h2 id="today">${t("home.today")}</h2>
      <${Loaded} t=${t} from=${trends}>
        ${(found) => html`<${Standing} t=${t} report=${found.measures[0]} alerts=${alerts.value?.items ?? []} />`}
      <//>
    </section>
  </div>`;
}

function Standing({ t, report, alerts }) {
  if (report.points.length === 0 && report.calibration.recordings.have === 0)
    return html`<p class="quiet">${t("home.no-recordings")}</p>`;
  return html`<div class="stack">
    <p aria-live="polite">
      <span class=${`badge ${report.status}`}>${standing(t, report.status)}</span>${" "}
      <span class="quiet">${t(`home.status.${report.status}`)}</span>
    </p>
    ${!report.calibration.complete && html`<${Calibration} t=${t} calibration=${report.calibration} />`}
    <${Trend} t=${t} report=${report} alerts=${alerts} height=${220} />
    <${Caveats} t=${t} caveats=${report.caveats.filter(({ code }) => code !== "calibrating")} />
    <p><a href="/history">${t("home.history")}</a></p>
  </div>`;
}

// Where the last days lie beside what is usual, and what there is to know about it.

import { address, get } from "../core/api.js";
import { html } from "../core/html.js";
import { Loaded, useLoaded } from "../core/states.js";
import { Trend } from "../core/trend.js";
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
      <span class=${`badge ${report.status}`}>${t(`status.${report.status}`)}</span>${" "}
      <span class="quiet">${t(`home.status.${report.status}`)}</span>
    </p>
    ${!report.calibration.complete && html`<${Calibration} t=${t} calibration=${report.calibration} />`}
    ${report.points.length > 1
      ? html`<${Trend} t=${t} report=${report} alerts=${alerts} height=${220} />`
      : html`<p class="quiet">${t("home.chart-later")}</p>`}
    <${Caveats} t=${t} caveats=${report.caveats} />
    <p><a href="/history">${t("home.history")}</a></p>
  </div>`;
}

function Calibration({ t, calibration }) {
  const parts = [
    ["days", calibration.recording_days],
    ["recordings", calibration.recordings],
    ["span", calibration.span_days],
  ];
  return html`<div class="notice">
    <h3>${t("home.calibration")}</h3>
    <p>${t("home.calibration.why")}</p>
    <ul class="calibration">
      ${parts.map(([name, { have, need }]) => {
        const text = t(`home.calibration.${name}`, { have: Math.min(have, need), need });
        return html`<li key=${name}>
          <label for=${`calibration-${name}`}>${text}</label>
          <progress id=${`calibration-${name}`} max=${need} value=${Math.min(have, need)}>${text}</progress>
        </li>`;
      })}
    </ul>
  </div>`;
}

function Caveats({ t, caveats }) {
  // What is being learnt is said above.
  const told = caveats.filter(({ code }) => code !== "calibrating");
  if (told.length === 0) return null;
  return html`<div>
    <h3>${t("home.caveats")}</h3>
    <ul>
      ${told.map(({ code, sentence }) => html`<li key=${code}>${t.has(`caveat.${code}`) ? t(`caveat.${code}`) : sentence}</li>`)}
    </ul>
  </div>`;
}

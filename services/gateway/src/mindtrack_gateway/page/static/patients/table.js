// One row per person; at narrow widths, one card.

import { moment, signed } from "../core/format.js";
import { html } from "../core/html.js";
import { Label } from "./label.js";
import { Sparkline } from "./sparkline.js";

const WORDS = { asc: "ascending", desc: "descending" };

export function Patients({ t, patients, query, change }) {
  const heads = [
    ["name"],
    ["status", "status"],
    ["z", "seven_day_z"],
    ["days"],
    ["last", "last_recorded"],
    ["alerts"],
  ];
  return html`<table class="patients">
    <caption class="visually-hidden">${t("patients.title")}</caption>
    <thead>
      <tr>
        ${heads.map(([name, sort]) => html`<${Head} key=${name} t=${t} name=${name} sort=${sort} query=${query} change=${change} />`)}
      </tr>
    </thead>
    <tbody>
      ${patients.map((patient) => html`<${Row} key=${patient.user_id} t=${t} patient=${patient} />`)}
    </tbody>
  </table>`;
}

function Head({ t, name, sort, query, change }) {
  const text = t(`patients.column.${name}`);
  if (!sort) return html`<th scope="col">${text}</th>`;
  const chosen = query.sort === sort;
  const turn = () => change({ sort, order: chosen && query.order === "desc" ? "asc" : "desc" });
  return html`<th scope="col" aria-sort=${chosen ? WORDS[query.order] : "none"}>
    <button type="button" class="sort" onClick=${turn}>
      ${text}<span aria-hidden="true">${chosen ? (query.order === "desc" ? " ↓" : " ↑") : ""}</span>
    </button>
  </th>`;
}

function Row({ t, patient }) {
  const shared = (scope, value) => (patient.scopes.includes(scope) ? value : html`<span class="quiet">${t("patients.not-shared")}</span>`);
  const cells = [
    ["status", shared("trends", html`<${Standing} t=${t} patient=${patient} />`)],
    ["z", shared("trends", patient.seven_day_z === null ? t("none") : signed(patient.seven_day_z))],
    ["days", shared("trends", html`<${Sparkline} t=${t} recent=${patient.recent} />`)],
    ["last", shared("trends", patient.last_recorded_at === null ? t("none") : moment(patient.last_recorded_at))],
    ["alerts", shared("alerts", html`<${Alerts} t=${t} alerts=${patient.alerts} />`)],
  ];
  return html`<tr>
    <th scope="row"><${Label} t=${t} patient=${patient} /></th>
    ${cells.map(([name, value]) => html`<td key=${name} data-column=${t(`patients.column.${name}`)}>${value}</td>`)}
  </tr>`;
}

function Standing({ t, patient: { status, direction } }) {
  if (status === null) return html`<span class="quiet">${t("patients.not-looked")}</span>`;
  const told = t.has(`status.${status}`) ? t(`status.${status}`) : status;
  return html`<span class=${`badge ${status}`}>${told}</span>
    ${direction && t.has(`direction.${direction}`) && html`<span class="quiet direction">${t(`direction.${direction}`)}</span>`}`;
}

function Alerts({ t, alerts }) {
  if (alerts === null || alerts.count === 0) return t("patients.no-alerts");
  return html`<span class="badge warn">${t("patients.open-alerts", { count: alerts.count })}</span>`;
}

// The list. Roles are written out, as browsers forget those of a table whose rows become cards.

import { date, moment, signed } from "../core/format.js";
import { html } from "../core/html.js";
import { Label } from "./label.js";
import { Sparkline } from "./sparkline.js";
import { NotShared, Standing } from "./standing.js";

const COLUMNS = [
  { name: "label" },
  { name: "status", sort: "status" },
  { name: "seven_day_z", sort: "seven_day_z" },
  { name: "recent" },
  { name: "last_recorded", sort: "last_recorded" },
  { name: "alerts" },
];
const SPOKEN = { asc: "ascending", desc: "descending" };
const ARROW = { asc: "▲", desc: "▼" };

const granted = ({ scopes }, scope) => scopes.includes(scope);

function Heading({ t, column, query, ask }) {
  const text = t(`patients.column.${column.name}`);
  if (!column.sort) return html`<th role="columnheader" scope="col">${text}</th>`;
  const order = query.sort === column.sort ? query.order : null;
  const other = order === "desc" ? "asc" : "desc";
  return html`<th role="columnheader" scope="col" class="sorts" aria-sort=${order ? SPOKEN[order] : undefined}>
    <button type="button" class="quiet small" onClick=${() => ask({ sort: column.sort, order: other })}>
      ${text} <span aria-hidden="true">${order ? ARROW[order] : "↕"}</span>
    </button>
  </th>`;
}

const Cell = ({ t, name, children }) => html`<td role="cell" data-column=${t(`patients.column.${name}`)}>
  <div>${children}</div>
</td>`;

function Alerts({ t, alerts }) {
  if (alerts === null) return html`<${NotShared} t=${t} />`;
  if (alerts.count === 0) return html`<span class="quiet">${t("patients.alerts.none")}</span>`;
  return html`<span class="badge warn">${t("patients.alerts.open", { count: alerts.count })}</span>
    <span class="quiet patients-since">${t("patients.alerts.since", { day: date(alerts.oldest_since) })}</span>`;
}

function Row({ t, patient, relabel }) {
  const { seven_day_z: z, last_recorded_at: last } = patient;
  const ofTrends = (shown) => (granted(patient, "trends") ? shown() : html`<${NotShared} t=${t} />`);
  return html`<tr role="row">
    <th role="rowheader" scope="row"><${Label} t=${t} patient=${patient} relabel=${relabel} /></th>
    <${Cell} t=${t} name="status">${ofTrends(() => html`<${Standing} t=${t} patient=${patient} />`)}<//>
    <${Cell} t=${t} name="seven_day_z">${ofTrends(() => (z === null ? t("none") : signed(z)))}<//>
    <${Cell} t=${t} name="recent">
      ${ofTrends(() => html`<${Sparkline} t=${t} days=${patient.recent} asOf=${patient.as_of} />`)}
    <//>
    <${Cell} t=${t} name="last_recorded">
      ${ofTrends(() => (last === null ? t("patients.never") : html`<time datetime=${last}>${moment(last)}</time>`))}
    <//>
    <${Cell} t=${t} name="alerts"><${Alerts} t=${t} alerts=${patient.alerts} /><//>
  </tr>`;
}

export const Table = ({ t, patients, query, ask, relabel, busy }) => html`<table
  role="table"
  class="patients-table"
  aria-busy=${String(busy)}
>
  <caption class="visually-hidden">
    ${t("patients.title")}
  </caption>
  <thead role="rowgroup">
    <tr role="row">
      ${COLUMNS.map((column) => html`<${Heading} t=${t} column=${column} query=${query} ask=${ask} />`)}
    </tr>
  </thead>
  <tbody role="rowgroup">
    ${patients.map((patient) => html`<${Row} key=${patient.grant_id} t=${t} patient=${patient} relabel=${relabel} />`)}
  </tbody>
</table>`;

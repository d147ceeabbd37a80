// The person's trend of one measure: what is looked at, the chart, and what it says in numbers.

import { address, get } from "../core/api.js";
import { day } from "../core/format.js";
import { html } from "../core/html.js";
import { Trend, behind } from "../core/trend.js";
import { Caveats } from "../trends/caveats.js";
import { MEASURES, PERIODS, useChoice } from "../trends/choice.js";
import { Origin, Summary } from "../trends/summary.js";
import { Part, useShared } from "./access.js";
import { of } from "./person.js";
import { Printed } from "./print.js";
import { Weeks } from "./weeks.js";

export function TrendPart({ t, access, alerts }) {
  const [choice, choose] = useChoice();
  const from = useShared(access, "trends", (signal) => get(address(of("trends"), choice), { signal }), [
    choice.days,
    choice.measure,
  ]);
  const choosing = html`<${Choosing} t=${t} choice=${choice} choose=${choose} />`;
  return html`<${Part} t=${t} name="trends" from=${from} extra=${choosing} className="summary">
    ${(found) => html`<${Found} t=${t} found=${found} alerts=${alerts} />`}
  <//>`;
}

function Found({ t, found, alerts }) {
  const report = found.measures[0];
  const period = t("patient.period", { first: day(found.first_day), last: day(found.last_day) });
  return html`<div class="stack">
    <div>
      <${Printed} t=${t} />
      <h3>
        ${t(`measure.${report.measure}`)}
        <span class="quiet period">${behind(t, report.unit)} ${period}</span>
      </h3>
      <${Trend} t=${t} report=${report} alerts=${alerts} />
    </div>
    <${Summary} t=${t} report=${report} />
    <${Caveats} t=${t} caveats=${report.caveats} title=${t("patient.caveats")} />
    <${Weeks} t=${t} report=${report} />
    <${Origin} t=${t} report=${report} />
  </div>`;
}

function Choosing({ t, choice, choose }) {
  return html`<div class="choosing no-print">
    <div>
      <label for="measure">${t("trend.measure")}</label>
      <select id="measure" value=${choice.measure} onChange=${(event) => choose({ measure: event.target.value })}>
        ${MEASURES.map((each) => html`<option key=${each} value=${each}>${t(`measure.${each}`)}</option>`)}
      </select>
    </div>
    <div>
      <label for="days">${t("trend.days")}</label>
      <select id="days" value=${choice.days} onChange=${(event) => choose({ days: Number(event.target.value) })}>
        ${PERIODS.map((each) => html`<option key=${each} value=${each}>${t(`trend.days.${each}`)}</option>`)}
      </select>
    </div>
    <button type="button" class="quiet" onClick=${() => print()}>${t("patient.print")}</button>
  </div>`;
}

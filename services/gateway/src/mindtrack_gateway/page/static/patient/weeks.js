// A period's weeks as a table; on paper, months instead where weeks would not fit a page.

import { day, percent, signed } from "../core/format.js";
import { html } from "../core/html.js";
import { writer } from "../core/trend.js";

const WEEKS_ON_PAPER = 14;

export function Weeks({ t, report }) {
  const many = report.weeks.length > WEEKS_ON_PAPER;
  return html`
    <div class=${many ? "no-print" : ""}>
      <h3 id="weeks-title">${t("trend.weeks")}</h3>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="weeks-title">
        <${Buckets} t=${t} buckets=${report.weeks} unit=${report.unit} name=${t("trend.weeks")} />
      </div>
    </div>
    ${
      many &&
      html`<div class="print-only">
        <h3>${t("trend.months")}</h3>
        <${Buckets} t=${t} buckets=${report.months} unit=${report.unit} name=${t("trend.months")} />
      </div>`
    }
  `;
}

function Buckets({ t, buckets, unit, name }) {
  const write = writer(unit);
  const or = (value, form) => (value === null ? t("none") : form(value));
  return html`<table class="buckets">
    <caption class="visually-hidden">${name}</caption>
    <thead>
      <tr>
        <th scope="col">${t("patient.bucket")}</th>
        <th scope="col" class="number">${t("trend.median")}</th>
        <th scope="col" class="number">z</th>
        <th scope="col" class="number">${t("chart.recordings")}</th>
        <th scope="col" class="number">${t("trend.covered")}</th>
      </tr>
    </thead>
    <tbody>
      ${[...buckets].reverse().map(
        (each) => html`<tr key=${each.label}>
          <th scope="row">${each.label} <span class="quiet">${day(each.first_day)}</span></th>
          <td class="number">${or(each.value, write)}</td>
          <td class="number">${or(each.z, signed)}</td>
          <td class="number">${each.recordings}</td>
          <td class="number">${percent(each.coverage)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

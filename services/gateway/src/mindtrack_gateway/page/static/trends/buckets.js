// Weeks and months of a trend, newest first. Those without recordings stand there as well: gaps are told.

import { html } from "../core/html.js";
import { days, month, percent, signed } from "../core/format.js";
import { writer } from "../core/trend.js";

const NAMES = {
  weeks: (each) => days(each.first_day, each.last_day),
  months: (each) => month(each.first_day),
};

export function Buckets({ t, report, kind }) {
  const first = report[kind].findIndex((each) => each.recordings > 0);
  if (first < 0) return null;
  const found = report[kind].slice(first);
  const write = writer(report.unit);
  return html`<details>
    <summary>${t(`trend.${kind}`)}</summary>
    <div class="scroll" tabindex="0" role="region" aria-label=${t(`trend.${kind}`)}>
      <table>
        <thead>
          <tr>
            <th scope="col">${t(`trend.${kind}`)}</th>
            <th scope="col" class="number">${t("chart.recordings")}</th>
            <th scope="col" class="number">${t("trend.covered")}</th>
            <th scope="col" class="number">${t("trend.median")}</th>
            <th scope="col" class="number">z</th>
          </tr>
        </thead>
        <tbody>
          ${[...found].reverse().map(
            (each) => html`<tr key=${each.label}>
              <th scope="row">${NAMES[kind](each)}</th>
              <td class="number">${each.recordings}</td>
              <td class="number">${percent(each.coverage)}</td>
              <td class="number">${each.value === null ? t("none") : write(each.value)}</td>
              <td class="number">${each.z === null ? t("none") : signed(each.z)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

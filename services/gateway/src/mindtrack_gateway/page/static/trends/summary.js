// What a measure's trend comes to, in words: where it stands, where it goes, how sure that is, and by which rules.

import { html } from "../core/html.js";
import { change as write, day, number, percent, probability, signed } from "../core/format.js";
import { direction, standing } from "../core/standing.js";
import { behind, writer } from "../core/trend.js";

export function Summary({ t, report }) {
  const facts = [
    ["status", html`<span class=${`badge ${report.status}`}>${standing(t, report.status)}</span>`, week(t, report)],
    ["direction", html`<strong>${direction(t, report.direction)}</strong>`, slope(t, report)],
    ["usual", ...usual(t, report)],
    ["coverage", ...coverage(t, report)],
    ["test", ...test(t, report)],
  ];
  return html`<dl class="facts">
    ${facts.map(
      ([name, told, more]) => html`<div key=${name}>
        <dt>${t(`trend.${name}`)}</dt>
        <dd>${told}${more && html`<p class="quiet">${more}</p>`}</dd>
      </div>`,
    )}
  </dl>`;
}

function week(t, { seven_day_z: z, seven_day_count: count }) {
  return z === null ? null : t("trend.week", { z: signed(z), count });
}

function slope(t, { slope, unit }) {
  if (slope === null) return null;
  const change = t("trend.per-week", { change: `${write(slope.change)}${behind(t, unit)}` });
  if (slope.change_low === null) return `${change}; ${t("trend.no-interval")}`;
  return `${change} (${t("trend.interval", { low: write(slope.change_low), high: write(slope.change_high) })})`;
}

function usual(t, { baseline, calibration, unit }) {
  if (baseline === null) {
    const { have, need } = calibration.recording_days;
    return [t("trend.usual.unknown"), t("trend.usual.progress", { have: number(have), need: number(need) })];
  }
  const write = writer(unit);
  const { recording_days: count, first_day: first, last_day: last } = baseline;
  return [
    t("trend.usual.range", { low: write(baseline.low), high: `${write(baseline.high)}${behind(t, unit)}` }),
    t("trend.usual.from", { count, first: day(first), last: day(last) }),
  ];
}

const coverage = (t, { coverage, recording_days: recorded, days, recordings: count }) => [
  percent(coverage),
  t("trend.coverage.days", { recorded, days, count }),
];

function test(t, { mann_kendall: found, no_test: why }) {
  if (found === null) return [t("trend.test.not-made"), why && t(`trend.no-test.${why}`)];
  return [t("trend.test.p", { p: probability(found.p) }), t("trend.test.z", { z: signed(found.z), count: found.weeks })];
}

/** By which rules, and of what. */
export const Origin = ({ t, report }) => html`<p class="quiet origin">
  ${t("trend.origin", {
    name: report.method.name,
    version: report.method.version,
    models: report.bundle_revisions.join(", ") || t("none"),
    devices: report.device_classes.join(", ") || t("none"),
  })}
</p>`;

export const Method = ({ t, report }) => html`<details>
  <summary>${t("trend.method")}</summary>
  <${Origin} t=${t} report=${report} />
  <table>
    <caption class="visually-hidden">${t("trend.method")}</caption>
    <tbody>
      ${Object.entries(report.method.parameters).map(
        ([name, value]) => html`<tr key=${name}><th scope="row"><code>${name}</code></th><td class="number">${value}</td></tr>`,
      )}
    </tbody>
  </table>
</details>`;

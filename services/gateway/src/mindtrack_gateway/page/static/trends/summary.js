// What a measure's trend comes to, in words: where it stands, where it goes, how sure that is.

import { html } from "../core/html.js";
import { change as write, percent, probability, signed } from "../core/format.js";
import { behind, writer } from "../core/trend.js";

export function Summary({ t, report }) {
  const facts = [
    ["trend.status", html`<span class=${`badge ${report.status}`}>${t(`status.${report.status}`)}</span>`],
    ["trend.direction", direction(t, report)],
    ["trend.usual", usual(t, report)],
    ["trend.week", week(t, report)],
    ["trend.coverage", t("trend.coverage.days", { days: report.recording_days, of: report.days, share: percent(report.coverage) })],
    ["trend.test", test(t, report)],
  ];
  return html`<dl class="facts">
    ${facts.map(([name, value]) => html`<div key=${name}><dt>${t(name)}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

function direction(t, { direction, slope, unit }) {
  const told = t(`direction.${direction}`);
  if (slope === null) return told;
  const change = t("trend.per-week", { change: `${write(slope.change)}${behind(t, unit)}` });
  if (slope.change_low === null) return `${told}, ${change}`;
  return `${told}, ${change} (${t("trend.interval", { low: write(slope.change_low), high: write(slope.change_high) })})`;
}

function usual(t, { baseline, unit }) {
  if (baseline === null) return t("trend.usual.unknown");
  const write = writer(unit);
  return t("trend.usual.range", {
    low: write(baseline.low),
    high: `${write(baseline.high)}${behind(t, unit)}`,
    count: baseline.recording_days,
  });
}

function week(t, { seven_day_z: z, seven_day_count: count }) {
  return z === null ? t("none") : t("trend.week.z", { z: signed(z), count });
}

function test(t, { mann_kendall: found, no_test: why }) {
  if (found === null) return t(`trend.no-test.${why}`);
  return t("trend.test.p", { p: probability(found.p), weeks: found.weeks });
}

export function Method({ t, report }) {
  const { method, bundle_revisions: revisions } = report;
  return html`<details>
    <summary>${t("trend.method")}</summary>
    <p class="quiet">
      ${t("trend.method.name", { name: method.name, version: method.version })}
      ${revisions.length > 0 && ` ${t("trend.method.models", { models: revisions.join(", ") })}`}
    </p>
    <table>
      <caption class="visually-hidden">${t("trend.method")}</caption>
      <tbody>
        ${Object.entries(method.parameters).map(
          ([name, value]) => html`<tr key=${name}><th scope="row"><code>${name}</code></th><td class="number">${value}</td></tr>`,
        )}
      </tbody>
    </table>
  </details>`;
}

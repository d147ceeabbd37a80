// What a trend says in numbers, and by which rules.

import { day, number, percent, probability, signed } from "../core/format.js";
import { html } from "../core/html.js";
import { language } from "../core/texts.js";
import { behind, writer } from "../core/trend.js";

const CHANGE = new Intl.NumberFormat(language, { signDisplay: "exceptZero", maximumSignificantDigits: 2 });

/** "Getting to know you" is said to the person; to somebody else the same is said otherwise. */
const status = (t, value) => t(value === "calibrating" ? "patient.calibrating" : `status.${value}`);

export function Facts({ t, report }) {
  const facts = [
    [t("patient.status"), html`<span class="badge ${report.status}">${status(t, report.status)}</span>${recent(t, report)}`],
    [t("patient.direction"), html`<strong>${t(`direction.${report.direction}`)}</strong>${slope(t, report)}`],
    [t("patient.test"), test(t, report)],
    [t("patient.coverage"), coverage(t, report)],
    [t("patient.usual"), usual(t, report)],
  ];
  return html`<dl class="facts">
    ${facts.map(([name, told]) => html`<div key=${name}><dt>${name}</dt><dd>${told}</dd></div>`)}
  </dl>`;
}

function recent(t, report) {
  if (report.seven_day_z === null) return null;
  const values = { z: signed(report.seven_day_z), count: report.seven_day_count };
  return html`<p class="quiet">${t("patient.seven-days", values)}</p>`;
}

function slope(t, report) {
  const { slope } = report;
  if (slope === null) return null;
  const change = `${CHANGE.format(slope.change)}${behind(t, report.unit)}`;
  const told =
    slope.change_low === null
      ? t("patient.slope.alone", { change })
      : t("patient.slope", {
          change,
          low: CHANGE.format(slope.change_low),
          high: CHANGE.format(slope.change_high),
        });
  return html`<p class="quiet">${told}</p>`;
}

function test(t, report) {
  const found = report.mann_kendall;
  if (found === null) return t(report.no_test ? `patient.no-test.${report.no_test}` : "none");
  return t("patient.mann-kendall", { p: probability(found.p), z: signed(found.z), count: found.weeks });
}

const coverage = (t, report) =>
  t("patient.coverage.told", {
    share: percent(report.coverage),
    recorded: report.recording_days,
    days: report.days,
    count: report.recordings,
  });

function usual(t, report) {
  const { baseline, calibration } = report;
  if (baseline === null) {
    const days = calibration.recording_days;
    return t("patient.usual.calibrating", { have: number(days.have), need: number(days.need) });
  }
  const write = writer(report.unit);
  return t("patient.usual.told", {
    low: write(baseline.low),
    high: `${write(baseline.high)}${behind(t, report.unit)}`,
    first: day(baseline.first_day),
    last: day(baseline.last_day),
    count: baseline.recording_days,
  });
}

export const Method = ({ t, report }) => html`<p class="quiet method">
  ${t("patient.method", {
    name: report.method.name,
    version: report.method.version,
    models: report.bundle_revisions.join(", ") || t("none"),
    devices: report.device_classes.join(", ") || t("none"),
  })}
</p>`;

// One measure of `GET /v1/users/{id}/trends`, drawn and as a table: days, what is usual, the moving average.

import { Chart } from "./chart.js";
import { day, number, share, signed } from "./format.js";
import { html, useMemo } from "./html.js";
import { standing } from "./standing.js";
import { Twin } from "./twin.js";

const DAY = 86_400; // seconds
/** Longer without a recording, and lines stop. */
const GAP_DAYS = 7;
const COLUMNS = ["value", "ewma", "usual_low", "usual_high", "lower_limit", "upper_limit"];

const seconds = (text) => Date.parse(`${text}T00:00:00Z`) / 1000;

/** How a measure's values are written. */
export const writer = (unit) => (unit === "1" ? share : number);

/** What stands behind a number, with the space between; a share has no unit. */
export const behind = (t, unit) => (unit === "1" ? "" : ` ${t.has(`unit.${unit}`) ? t(`unit.${unit}`) : unit}`);

/** Turn points into columns, with an empty row in the middle of each gap. */
export function columns(points) {
  const found = { day: [] };
  for (const name of COLUMNS) found[name] = [];
  let before = null;
  for (const point of points) {
    const at = seconds(point.day);
    if (before !== null && at - before > GAP_DAYS * DAY) {
      found.day.push((before + at) / 2);
      for (const name of COLUMNS) found[name].push(null);
    }
    found.day.push(at);
    for (const name of COLUMNS) found[name].push(point[name]);
    before = at;
  }
  return found;
}

/** `report`: an item of `measures`. `alerts`: items of the list of alerts; those of this measure are marked. */
export function Trend({ t, report, alerts = [], height }) {
  const drawn = useMemo(() => drawing(report, alerts), [report, alerts]);
  const write = writer(report.unit);
  const name = t(`measure.${report.measure}`);
  const { points } = report;
  if (points.length === 0) return html`<p class="quiet">${t("chart.empty")}</p>`;
  if (points.length === 1) return html`<p class="quiet">${t("chart.later")}</p>`;
  const summary = t("chart.summary", {
    measure: name,
    first: day(points[0].day),
    last: day(points.at(-1).day),
    days: points.length,
    status: standing(t, report.status),
  });
  return html`<figure class="trend">
    <${Chart} ...${drawn} write=${write} label=${summary} height=${height} />
    <figcaption>
      <${Legend} t=${t} alerts=${drawn.marks.length > 0} judged=${points.some((point) => point.z !== null)} />
    </figcaption>
    <${Twin} t=${t}>
      ${() => html`<div class="scroll" tabindex="0" role="region" aria-label=${name}>
        <${Table} t=${t} points=${points} write=${write} name=${name} />
      </div>`}
    <//>
  </figure>`;
}

function drawing(report, alerts) {
  const found = columns(report.points);
  return {
    days: found.day,
    bands: [{ low: found.usual_low, high: found.usual_high, colour: "band-usual" }],
    lines: [
      { values: found.lower_limit, colour: "limit", width: 1.5, dash: [4, 4] },
      { values: found.upper_limit, colour: "limit", width: 1.5, dash: [4, 4] },
      { values: found.value, colour: "point", points: 6 },
      { values: found.ewma, colour: "accent", width: 2.5 },
    ],
    marks: alerts
      .filter((alert) => alert.measure === report.measure)
      .map((alert) => ({ at: seconds(alert.opened_on), colour: "warn" }))
      .filter((mark) => mark.at >= found.day[0]),
    range: report.unit === "1" ? [0, 1] : undefined,
  };
}

function Legend({ t, alerts, judged }) {
  const kinds = ["value", ...(judged ? ["ewma", "usual", "limits"] : []), ...(alerts ? ["alert"] : [])];
  return html`<ul class="legend">
    ${kinds.map((kind) => html`<li key=${kind}><span class="key key-${kind}" aria-hidden="true"></span>${t(`chart.${kind}`)}</li>`)}
  </ul>`;
}

function Table({ t, points, write, name }) {
  const or = (value, form) => (value === null ? t("none") : form(value));
  return html`<table>
    <caption class="visually-hidden">${name}</caption>
    <thead>
      <tr>
        <th scope="col">${t("chart.day")}</th>
        <th scope="col" class="number">${t("chart.recordings")}</th>
        <th scope="col" class="number">${t("chart.value")}</th>
        <th scope="col" class="number">${t("chart.usual")}</th>
        <th scope="col" class="number">${t("chart.ewma")}</th>
        <th scope="col" class="number">z</th>
      </tr>
    </thead>
    <tbody>
      ${[...points].reverse().map(
        (point) => html`<tr key=${point.day + point.bundle_revision}>
          <th scope="row">${day(point.day)}</th>
          <td class="number">${point.recordings}</td>
          <td class="number">${write(point.value)}</td>
          <td class="number">
            ${or(point.usual_low, (low) => `${write(low)} – ${write(point.usual_high)}`)}
          </td>
          <td class="number">${or(point.ewma, write)}</td>
          <td class="number">${or(point.z, signed)}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

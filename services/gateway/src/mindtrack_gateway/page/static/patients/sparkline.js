// The last 28 days of one person, small: days against their own usual range.

import { signed } from "../core/format.js";
import { html } from "../core/html.js";

const STEP = 4;
const HEIGHT = 36;
/** Own standard deviations that fit; days beyond lie at the edge. */
const REACH = 3;

const y = (z) => HEIGHT / 2 - (Math.max(-REACH, Math.min(REACH, z)) / REACH) * (HEIGHT / 2 - 2);

/** `recent`: 28 numbers in own standard deviations, null for a day without one; or null altogether. */
export function Sparkline({ t, recent }) {
  const days = (recent ?? []).map((z, day) => [day, z]).filter(([, z]) => z !== null);
  if (days.length === 0) return html`<span class="quiet">${t("patients.no-days")}</span>`;
  const values = days.map(([, z]) => z);
  const label = t("patients.sparkline", {
    count: days.length,
    last: signed(values.at(-1)),
    low: signed(Math.min(...values)),
    high: signed(Math.max(...values)),
  });
  const width = recent.length * STEP;
  return html`<svg class="sparkline" role="img" aria-label=${label} viewBox=${`0 0 ${width} ${HEIGHT}`} width=${width} height=${HEIGHT}>
    <rect class="usual" x="0" width=${width} y=${y(1)} height=${y(-1) - y(1)} />
    ${pieces(days).map((piece) => html`<polyline points=${piece.map(([day, z]) => `${x(day)},${y(z)}`).join(" ")} />`)}
    ${days.map(([day, z]) => html`<circle cx=${x(day)} cy=${y(z)} r="1.6" />`)}
  </svg>`;
}

const x = (day) => day * STEP + STEP / 2;

/** Lines stop where there was no recording for more than a week. */
function pieces(days) {
  const found = [];
  for (const [day, z] of days) {
    const piece = found.at(-1);
    if (piece && day - piece.at(-1)[0] <= 7) piece.push([day, z]);
    else found.push([[day, z]]);
  }
  return found;
}

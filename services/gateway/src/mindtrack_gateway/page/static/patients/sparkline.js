// A person's last weeks at a glance: points of days, joined where no day is missing, over what is usual for them.

import { shortDay, signed } from "../core/format.js";
import { html } from "../core/html.js";

const STEP = 4;
const HEIGHT = 32;
const MARGIN = 3;
/** Standard deviations shown; what lies beyond is drawn at the edge, and told in words as it is. */
const MOST = 3;

const across = (index) => MARGIN + index * STEP;
const down = (z) => {
  const held = Math.max(-MOST, Math.min(MOST, z));
  return HEIGHT / 2 - (held / MOST) * (HEIGHT / 2 - MARGIN);
};

/** Split days into runs without a gap, each a list of `[x, y]`. */
export function runs(days) {
  const found = [];
  let before = null;
  days.forEach((z, index) => {
    if (z !== null) {
      if (before === null) found.push([]);
      found[found.length - 1].push([across(index), down(z)]);
    }
    before = z;
  });
  return found;
}

function described(t, days, asOf) {
  const known = days.filter((z) => z !== null);
  return t("patients.recent.summary", {
    count: known.length,
    all: days.length,
    day: shortDay(asOf),
    lowest: signed(Math.min(...known)),
    highest: signed(Math.max(...known)),
    last: signed(known[known.length - 1]),
  });
}

export function Sparkline({ t, days, asOf }) {
  if (!days?.some((z) => z !== null)) return html`<span class="quiet">${t("patients.recent.none")}</span>`;
  const width = across(days.length - 1) + MARGIN;
  const lines = runs(days);
  const points = lines.flat();
  return html`<svg class="spark" viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label=${described(t, days, asOf)}>
    <rect class="spark-usual" x="0" y=${down(1)} width=${width} height=${down(-1) - down(1)} />
    ${lines.map((run) => html`<polyline class="spark-line" points=${run.map((point) => point.join(",")).join(" ")} />`)}
    ${points.map(([x, y], index) => {
      const last = index === points.length - 1;
      return html`<circle class=${last ? "spark-last" : "spark-point"} cx=${x} cy=${y} r=${last ? 2.4 : 1.3} />`;
    })}
  </svg>`;
}

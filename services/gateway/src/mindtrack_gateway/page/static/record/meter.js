// What is heard, drawn: a level that always moves, and a trace that keeps still for whoever asked for that.

import { html, useEffect, useRef } from "../core/html.js";

const FLOOR = -60; // dBFS, the left end of the meter
const BAR = 3; // pixels of one measurement
const still = matchMedia("(prefers-reduced-motion: reduce)");

const share = (level) => Math.min(1, Math.max(0, 1 - level / FLOOR));

/** `levels`: of each measurement, dBFS; `count` changes with each. */
export function Meter({ t, levels, count, advice }) {
  const canvas = useRef(null);
  const level = levels.at(-1) ?? FLOOR;
  useEffect(() => {
    if (!still.matches) trace(canvas.current, levels);
  }, [count]);
  return html`<div class="meter">
    ${!still.matches && html`<canvas ref=${canvas} class="trace" aria-hidden="true"></canvas>`}
    <div class="level" role="img" aria-label=${t("home.level")}>
      <div class=${`level-now ${advice}`} style=${{ width: `${100 * share(level)}%` }}></div>
    </div>
  </div>`;
}

function trace(canvas, levels) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  if (canvas.width !== width * scale) Object.assign(canvas, { width: width * scale, height: height * scale });
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  const shown = levels.slice(-Math.floor(width / BAR));
  shown.forEach((each, index) => {
    const tall = Math.max(2, share(each) * height);
    context.fillRect(width - (shown.length - index) * BAR, (height - tall) / 2, BAR - 1, tall);
  });
}

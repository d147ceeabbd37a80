// A line chart over days with bands behind it, on uPlot's canvas. What it shows is told in words by its caller.

import { html, useEffect, useRef } from "./html.js";
import { language } from "./texts.js";

// A script of its own: its makers minify no module.
const { uPlot } = globalThis;

const NARROW = 480; // pixels
const dark = matchMedia("(prefers-color-scheme: dark)");

// Paper is white. Charts are drawn in colours that a style sheet alone cannot change.
addEventListener("beforeprint", () => (document.documentElement.dataset.printing = "true"));
addEventListener("afterprint", () => delete document.documentElement.dataset.printing);

const axisDay = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
const axisMonth = new Intl.DateTimeFormat(language, { month: "short", year: "2-digit", timeZone: "UTC" });
const DAY = 86_400; // seconds

/**
 * `days`: seconds since the epoch, ascending. `lines`: `{ values, colour, points?, width?, dash? }`.
 * `bands`: `{ low, high, colour }`. `marks`: `{ at, colour }`, upright lines. Colours are names of CSS properties.
 * Values are null where there is none: a line stops there.
 */
export function Chart({ days, lines, bands = [], marks = [], range, write, label, height = 260 }) {
  const place = useRef(null);
  useEffect(() => {
    const element = place.current;
    let drawn = null;
    const draw = () => {
      drawn?.destroy();
      drawn = plot(element, { days, lines, bands, marks, range, write, height });
    };
    draw();
    const sizes = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height }));
    sizes.observe(element);
    dark.addEventListener("change", draw);
    addEventListener("beforeprint", draw);
    addEventListener("afterprint", draw);
    return () => {
      sizes.disconnect();
      dark.removeEventListener("change", draw);
      removeEventListener("beforeprint", draw);
      removeEventListener("afterprint", draw);
      drawn.destroy();
    };
  }, [days, lines, bands, marks, range, height]);
  return html`<div class="chart" role="img" aria-label=${label} ref=${place}></div>`;
}

/** Options of a chart that only shows. */
export const BARE = { legend: { show: false }, cursor: { show: false }, select: { show: false } };

/** Return a function that reads colours by the names of CSS properties. */
export function palette(element) {
  const style = getComputedStyle(element);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** Draw at once, and return the uPlot. */
export function plot(element, { days, lines, bands = [], marks = [], range, write = String, height = 260 }) {
  const colour = palette(element);
  const edges = bands.flatMap((band) => [band.high, band.low]);
  const options = {
    width: element.clientWidth,
    height,
    ...BARE,
    scales: {
      // An alert may open days after the last recording.
      x: { time: true, range: (_, first, last) => [first, Math.max(last, ...marks.map(({ at }) => at))] },
      y: range ? { range: () => range } : {},
    },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    axes: [
      {
        stroke: colour("ink-soft"),
        grid: { show: false },
        ticks: { stroke: colour("line"), size: 4 },
        size: 32,
        font: "12px system-ui, sans-serif",
        space: element.clientWidth < NARROW ? 60 : 80,
        incrs: [1, 2, 7, 14, 30, 61, 91, 183, 365].map((each) => each * DAY),
        values: (_, splits) => splits.map((each) => tick(each, days)),
      },
      {
        stroke: colour("ink-soft"),
        grid: { stroke: colour("line"), width: 1 },
        ticks: { show: false },
        font: "12px system-ui, sans-serif",
        size: 46,
        values: (_, splits) => splits.map(write),
      },
    ],
    series: [
      {},
      ...edges.map(() => ({ width: 0, points: { show: false } })),
      ...lines.map((line) => ({
        stroke: line.points ? undefined : colour(line.colour),
        width: line.points ? 0 : (line.width ?? 2),
        dash: line.dash,
        points: line.points
          ? { show: true, size: line.points, fill: colour(line.colour), stroke: colour("paper"), width: 1 }
          : { show: false },
      })),
    ],
    bands: bands.map((band, index) => ({ series: [2 * index + 1, 2 * index + 2], fill: colour(band.colour) })),
    hooks: { draw: [(u) => marks.forEach((mark) => upright(u, mark, colour(mark.colour)))] },
  };
  return new uPlot(options, [days, ...edges, ...lines.map((line) => line.values)], element);
}

function tick(seconds, days) {
  const moment = new Date(seconds * 1000);
  return (days.at(-1) - days[0] > 200 * DAY ? axisMonth : axisDay).format(moment);
}

function upright(u, { at }, colour) {
  const x = Math.round(u.valToPos(at, "x", true));
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  const size = 5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x - size, bbox.top);
  ctx.lineTo(x + size, bbox.top);
  ctx.lineTo(x, bbox.top + 1.6 * size);
  ctx.fill();
  ctx.restore();
}

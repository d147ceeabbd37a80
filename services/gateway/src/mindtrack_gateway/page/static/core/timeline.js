// A line chart over the last minutes, on uPlot's canvas, which goes on as time does. What it shows is told in words
// by its caller.

import { BARE, palette } from "./chart.js";
import { html, useEffect, useRef } from "./html.js";
import { language } from "./texts.js";

// A script of its own: its makers minify no module.
const { uPlot } = globalThis;

const dark = matchMedia("(prefers-color-scheme: dark)");
const clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });

/**
 * `times`: seconds since the epoch, ascending. `lines`: `{ values, colour, dash? }`, null where nothing is known.
 * `seconds`: how far back the axis goes.
 */
export function Timeline({ times, lines, seconds, write, label, height = 220 }) {
  const place = useRef(null);
  const drawn = useRef(null);
  const latest = useRef(null);
  latest.current = { times, lines, seconds, write, height };
  useEffect(() => {
    const element = place.current;
    const draw = () => {
      drawn.current?.destroy();
      drawn.current = plot(element, latest.current);
    };
    draw();
    const sizes = new ResizeObserver(() => drawn.current.setSize({ width: element.clientWidth, height }));
    sizes.observe(element);
    dark.addEventListener("change", draw);
    return () => {
      sizes.disconnect();
      dark.removeEventListener("change", draw);
      drawn.current.destroy();
      drawn.current = null;
    };
  }, [height, lines.length]);
  useEffect(() => drawn.current?.setData(columns({ times, lines })), [times, lines]);
  return html`<div class="chart" role="img" aria-label=${label} ref=${place}></div>`;
}

const columns = ({ times, lines }) => [times, ...lines.map((line) => line.values)];

function plot(element, { times, lines, seconds, write, height }) {
  const colour = palette(element);
  const axis = { stroke: colour("ink-soft"), font: "12px system-ui, sans-serif" };
  const options = {
    width: element.clientWidth,
    height,
    ...BARE,
    scales: {
      x: { time: true, range: (_, first, last) => [(last ?? 0) - seconds, last ?? 0] },
      // From nothing, and never flat: an axis of a thousandth would make noise look like work.
      y: { range: (_, least, most) => [0, Math.max(most ?? 0, 1) * 1.1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        ticks: { stroke: colour("line"), size: 4 },
        size: 32,
        space: 70,
        incrs: [60, 120, 300, 600],
        values: (_, splits) => splits.map((each) => clock.format(new Date(each * 1000))),
      },
      {
        ...axis,
        grid: { stroke: colour("line"), width: 1 },
        ticks: { show: false },
        size: 46,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
        values: (_, splits) => splits.map(write),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        stroke: colour(line.colour),
        width: 2,
        dash: line.dash,
        points: { show: (u, series) => u.data[series].filter((value) => value !== null).length < 3, size: 5 },
      })),
    ],
  };
  return new uPlot(options, columns({ times, lines }), element);
}

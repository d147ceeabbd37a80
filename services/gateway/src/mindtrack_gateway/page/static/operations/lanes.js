// Each lane's queue, and how quickly it is worked off.

import { number, seconds as lasting } from "../core/format.js";
import { html, useMemo } from "../core/html.js";
import { Timeline } from "../core/timeline.js";
import { Twin } from "../core/twin.js";
import { throughput } from "./looks.js";
import { Table } from "./table.js";
import { count, known, laneName, timeOfDay } from "./words.js";

const SHOWN = 900; // seconds of the chart
/** Seconds without anything processed after which a lane is said to stand still. */
const STANDS = 60;
const LINES = { interactive: { colour: "accent" }, bulk: { colour: "point", dash: [6, 4] } };

export function Lane({ t, lane, window }) {
  // For a moment nothing may be finished while all is well: a recording counts when it is through.
  const stands = lane.audio_seconds > 0 && lane.processed_audio_seconds_per_second === 0 && window > STANDS;
  const rows = [
    ["operations.running", known(t, lane.running, count)],
    ["operations.oldest", lane.queued === 0 ? t("none") : known(t, lane.oldest_queued_seconds, lasting)],
    ["operations.audio", known(t, lane.audio_seconds, lasting)],
    ["operations.arriving", known(t, lane.arriving_audio_seconds_per_second, (value) => t("operations.per-second", { value: number(value) }))],
    ["operations.processed", known(t, lane.processed_audio_seconds_per_second, (value) => t("operations.per-second", { value: number(value) }))],
  ];
  return html`<section class="card" aria-labelledby=${`lane-${lane.priority}`}>
    <h2 id=${`lane-${lane.priority}`}>${laneName(t, lane.priority)}</h2>
    <dl class="figures">
      <div>
        <dt>${t("operations.waiting")}</dt>
        <dd class="figure">${known(t, lane.queued, count)}</dd>
      </div>
      <div>
        <dt>${t("operations.drain")}</dt>
        <dd class="figure">${stands ? t("operations.stands") : known(t, lane.seconds_to_drain, lasting)}</dd>
      </div>
    </dl>
    <dl class="facts">
      ${rows.map(([key, value]) => html`<div key=${key}><dt>${t(key)}</dt><dd>${value}</dd></div>`)}
    </dl>
  </section>`;
}

export function Throughput({ t, looks }) {
  const found = useMemo(() => throughput(looks), [looks]);
  const names = Object.keys(found.lanes);
  const lines = useMemo(
    () => names.map((name) => ({ values: found.lanes[name], ...(LINES[name] ?? { colour: "ink-soft" }) })),
    [found],
  );
  const last = (name) => found.lanes[name].at(-1) ?? null;
  const perSecond = (value) => (value === null ? t("none") : t("operations.per-second", { value: number(value) }));
  const summary = t("operations.throughput-summary", {
    lanes: names.map((name) => `${laneName(t, name)} ${perSecond(last(name))}`).join("; "),
  });
  return html`<section class="card" aria-labelledby="throughput">
    <h2 id="throughput">${t("operations.throughput")}</h2>
    ${
      found.times.length === 0
        ? html`<p class="quiet">${t("operations.throughput-soon")}</p>`
        : html`<figure class="trend">
            <${Timeline} times=${found.times} lines=${lines} seconds=${SHOWN} write=${number} label=${summary} />
            <figcaption>
              <ul class="legend">
                ${names.map((name) => html`<li key=${name}><span class="key key-${name}" aria-hidden="true"></span>${laneName(t, name)}</li>`)}
              </ul>
            </figcaption>
            <${Twin} t=${t}>${() => html`<${Rates} t=${t} found=${found} write=${perSecond} />`}<//>
          </figure>`
    }
  </section>`;
}

function Rates({ t, found, write }) {
  const names = Object.keys(found.lanes);
  const rows = found.times
    .map((time, index) => ({
      key: time,
      cells: [timeOfDay(time * 1000), ...names.map((name) => write(found.lanes[name][index]))],
    }))
    .reverse();
  return html`<${Table}
    caption=${t("operations.throughput")}
    hidden
    heads=${[[t("operations.time")], ...names.map((name) => [laneName(t, name), "number"])]}
    rows=${rows}
  />`;
}

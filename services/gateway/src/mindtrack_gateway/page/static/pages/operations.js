// What waits, how quickly it is worked off, and who does it; looked at every few seconds while somebody does.

import { get } from "../core/api.js";
import { number, seconds as lasting } from "../core/format.js";
import { html, useCallback, useEffect, useMemo, useState } from "../core/html.js";
import { start } from "../core/start.js";
import { Failure, Loading, reason } from "../core/states.js";
import { language } from "../core/texts.js";
import { Timeline } from "../core/timeline.js";

const EVERY = 5_000; // milliseconds
const SHOWN = 900; // seconds of the chart
/** As many looks and a few more: others may look, too. */
const KEPT = 240;
/** Answers after which asking again changes nothing. */
const OVER = new Set([401, 403]);
/** Seconds without anything processed after which a lane is said to stand still. */
const STANDS = 60;
const BACKLOGS = { unrung: "relay", webhooks: "deliver", notifications: "deliver", standings: "maintenance" };
const LINES = { interactive: { colour: "accent" }, bulk: { colour: "point", dash: [6, 4] } };

const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const share = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
const timeOfDay = (moment) => clock.format(new Date(moment));

/** Look again and again while the page is seen. What was seen last stays when a look fails. */
function useLooks() {
  const [state, setState] = useState({ seen: null, at: null, error: null, looks: [] });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    let timer = null;
    async function look() {
      timer = null;
      const next = await answer(controller.signal);
      if (controller.signal.aborted) return;
      setState((former) => after(former, next));
      if (!OVER.has(next.error?.status) && !document.hidden) {
        timer = setTimeout(look, Math.max(EVERY, (next.error?.seconds ?? 0) * 1000));
      }
    }
    const turned = () => {
      clearTimeout(timer);
      timer = null;
      if (!document.hidden) setTurn((former) => former + 1);
    };
    look();
    document.addEventListener("visibilitychange", turned);
    return () => {
      document.removeEventListener("visibilitychange", turned);
      clearTimeout(timer);
      controller.abort();
    };
  }, [turn]);
  const again = useCallback(() => setTurn((former) => former + 1), []);
  return { ...state, again };
}

async function answer(signal) {
  try {
    return { seen: await get("/v1/operations", { signal }), error: null };
  } catch (error) {
    if (error.kind === undefined && !signal.aborted) throw error; // a fault of ours
    return { seen: null, error };
  }
}

function after(former, { seen, error }) {
  if (error) return { ...former, error };
  const last = former.looks.at(-1);
  const looks = last?.observed_at === seen.observed_at ? former.looks : [...former.looks, seen].slice(-KEPT);
  return { seen, at: Date.now(), error: null, looks };
}

/** Per second and lane, from each look and the one before; null where they cannot be compared. */
export function throughput(looks) {
  const found = { times: [], lanes: {} };
  const names = looks.at(-1)?.lanes.map((lane) => lane.priority) ?? [];
  for (const name of names) found.lanes[name] = [];
  for (const [index, look] of looks.entries()) {
    const before = looks[index - 1];
    if (before === undefined) continue;
    const passed = (Date.parse(look.observed_at) - Date.parse(before.observed_at)) / 1000;
    if (passed <= 0) continue;
    found.times.push(Date.parse(look.observed_at) / 1000);
    for (const name of names) {
      const rise = total(look, name) - total(before, name);
      // Another gateway, or one that was started again, counts from elsewhere; a long pause says nothing of now.
      const comparable = look.counted_since === before.counted_since && rise >= 0 && passed < 60;
      found.lanes[name].push(comparable ? rise / passed : null);
    }
  }
  return found;
}

const total = (look, name) => look.lanes.find((lane) => lane.priority === name).processed_audio_seconds;

function App({ t }) {
  const { seen, at, error, looks, again } = useLooks();
  if (error?.status === 403) return html`<p class="notice warn" role="alert">${t("operations.not-operator")}</p>`;
  if (seen === null) {
    return error ? html`<${Failure} t=${t} error=${error} again=${again} />` : html`<${Loading} t=${t} />`;
  }
  return html`<div class="stack operations">
    <${State} t=${t} seen=${seen} error=${error} at=${at} again=${again} />
    <${Incidents} t=${t} seen=${seen} />
    <div class="columns">${seen.lanes.map((lane) => html`<${Lane} key=${lane.priority} t=${t} lane=${lane} window=${seen.window_seconds} />`)}</div>
    <${Throughput} t=${t} looks=${looks} />
    <${Workers} t=${t} workers=${seen.workers} />
    <div class="columns">
      <${Backlogs} t=${t} backlogs=${seen.backlogs} />
      <${Processes} t=${t} processes=${seen.processes} />
    </div>
    <div class="columns">
      <${Ended} t=${t} seen=${seen} />
      <${Requests} t=${t} seen=${seen} />
    </div>
  </div>`;
}

/** One sentence about everything. It is read out when it changes, and not with every look. */
function State({ t, seen, error, at, again }) {
  const everybody = [...seen.workers, ...seen.processes].filter((each) => each.reason !== "absent");
  const silent = [...new Set(everybody.filter((each) => !each.up).map((each) => `${each.service} ${each.target}`))];
  const addresses = new Set(everybody.map((each) => each.target));
  const window = seen.window_seconds;
  return html`<section class="notice ${error || silent.length > 0 ? "warn" : ""}">
    <p role="status">${sentence(t, error, silent, addresses.size)}</p>
    ${
      error
        ? html`<p class="row">
            <${Age} t=${t} at=${at} />
            <button type="button" class="quiet" onClick=${again}>${t("again")}</button>
          </p>`
        : html`<p class="quiet">
            ${t("operations.as-of", { time: timeOfDay(seen.observed_at) })}${" "}
            ${window === null ? t("operations.no-window") : t("operations.window", { window: lasting(window) })}
          </p>`
    }
  </section>`;
}

function sentence(t, error, silent, count) {
  if (error) return error.kind === "session-over" ? "" : reason(t, error);
  if (silent.length > 0) return t("operations.silent", { count: silent.length, which: silent.join(", ") });
  return count === 0 ? t("operations.nobody") : t("operations.all-answer", { count });
}

function Age({ t, at }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<span class="grow">${t("operations.old", { age: lasting(Math.max(0, Math.round((now - at) / 1000))) })}</span>`;
}

function Incidents({ t, seen }) {
  if (seen.incidents.length === 0) return null;
  return html`<section class="card attention" aria-labelledby="incidents">
    <h2 id="incidents">${t("operations.incidents")}</h2>
    <ul>
      ${seen.incidents.map(
        (each) => html`<li key=${each.name + (each.priority ?? "")}>
          <span>${incident(t, each)}</span> <${Page} t=${t} name=${each.name} base=${seen.runbook_url} />
        </li>`,
      )}
    </ul>
  </section>`;
}

function incident(t, { name, priority, seconds, share: part }) {
  const key = `incident.${name}`;
  if (!t.has(key)) return name;
  return t(key, {
    lane: priority === null ? "" : laneName(t, priority),
    time: seconds === null ? "" : lasting(seconds),
    share: part === null ? "" : share.format(part),
  });
}

/** A page of the runbook: a link if it is published, else the name of its file. */
function Page({ t, name, base }) {
  if (base === null) return html`<code>docs/runbook/incidents/${name}.md</code>`;
  return html`<a href=${`${base}/incidents/${name}.md`}>${t("operations.what-to-do")}<span class="visually-hidden">: ${name}</span></a>`;
}

const laneName = (t, priority) => (t.has(`lane.${priority}`) ? t(`lane.${priority}`) : priority);
const known = (t, value, write) => (value === null ? t("operations.unknown") : write(value));

function Lane({ t, lane, window }) {
  // For a moment nothing may be finished while all is well: a recording counts when it is through.
  const stands = lane.audio_seconds > 0 && lane.processed_audio_seconds_per_second === 0 && window > STANDS;
  const rows = [
    ["operations.running", known(t, lane.running, whole.format)],
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
        <dd class="figure">${known(t, lane.queued, whole.format)}</dd>
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

function Throughput({ t, looks }) {
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
            <${Twin} t=${t} found=${found} write=${perSecond} />
          </figure>`
    }
  </section>`;
}

/** The same as a table, which is long: it is made when somebody opens it. */
function Twin({ t, found, write }) {
  const [open, setOpen] = useState(false);
  const names = Object.keys(found.lanes);
  const rows = () =>
    found.times
      .map((time, index) => ({
        key: time,
        cells: [timeOfDay(time * 1000), ...names.map((name) => write(found.lanes[name][index]))],
      }))
      .reverse();
  return html`<details onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${t("as-table")}</summary>
    ${
      open &&
      html`<${Table}
        caption=${t("operations.throughput")}
        hidden
        heads=${[[t("operations.time")], ...names.map((name) => [laneName(t, name), "number"])]}
        rows=${rows()}
      />`
    }
  </details>`;
}

function Workers({ t, workers }) {
  const absent = workers.filter((each) => each.reason === "absent");
  const there = workers.filter((each) => each.reason !== "absent");
  return html`<section class="card">
    <${Table}
      caption=${t("operations.workers")}
      empty=${t("operations.no-workers")}
      heads=${["service", "state", "engine", "precision", "bundle", "revision", "target", "seen"].map((key) => [t(`operations.${key}`)])}
      rows=${there.map((each) => ({
        key: [each.target, each.bundle, each.revision, each.engine, each.precision].join(),
        cells: [
          each.service,
          html`<${Up} t=${t} process=${each} starting=${each.bundle === null} />`,
          ...["engine", "precision", "bundle"].map((name) => each[name] ?? t("none")),
          each.revision === null ? t("none") : html`<code>${each.revision.slice(0, 12)}</code>`,
          each.target,
          each.seen_at === null ? t("operations.never") : timeOfDay(each.seen_at),
        ],
      }))}
    />
    ${absent.map((each) => html`<p key=${each.target} class="quiet">${t("operations.none-runs", { service: each.service })}</p>`)}
  </section>`;
}

function Processes({ t, processes }) {
  return html`<section class="card">
    <${Table}
      caption=${t("operations.processes")}
      empty=${t("operations.no-processes")}
      heads=${["service", "state", "target", "seen"].map((key) => [t(`operations.${key}`)])}
      rows=${processes.map((each) => ({
        key: each.service + each.target,
        cells: [
          each.service,
          html`<${Up} t=${t} process=${each} />`,
          each.target,
          each.seen_at === null ? t("operations.never") : timeOfDay(each.seen_at),
        ],
      }))}
    />
  </section>`;
}

/** In words and with a sign: colour alone would tell not everybody. */
function Up({ t, process, starting = false }) {
  if (process.up && starting) return html`<span class="badge soft"><span aria-hidden="true">◌</span>${t("operations.starting")}</span>`;
  if (process.up) return html`<span class="badge good"><span aria-hidden="true">●</span>${t("operations.up")}</span>`;
  const key = `down.${process.reason}`;
  return html`<span class="badge bad"><span aria-hidden="true">✕</span>${t.has(key) ? t(key) : process.reason}</span>`;
}

function Backlogs({ t, backlogs }) {
  return html`<section class="card">
    <${Table}
      caption=${t("operations.backlogs")}
      heads=${[[t("operations.what")], [t("operations.waiting"), "number"], [t("operations.first-for"), "number"], [t("operations.whose")]]}
      rows=${Object.entries(BACKLOGS).map(([name, whose]) => ({
        key: name,
        cells: [
          t(`backlog.${name}`),
          known(t, backlogs[name].waiting, whole.format),
          backlogs[name].waiting === 0 ? t("none") : known(t, backlogs[name].oldest_seconds, lasting),
          whose,
        ],
      }))}
    />
  </section>`;
}

const perMinute = (t, value) => (value === null ? t("none") : number(value * 60));

function Ended({ t, seen }) {
  const named = (prefix, name) => (t.has(`${prefix}.${name}`) ? t(`${prefix}.${name}`) : name);
  const rows = [
    ...seen.ended.map((each) => ({ ...each, what: named("ended", each.status), code: each.code === "none" ? t("none") : each.code })),
    ...seen.rescued.map((each) => ({ ...each, what: t("operations.rescued"), code: each.outcome })),
    ...(seen.retries.total > 0 ? [{ ...seen.retries, what: t("operations.retries"), code: t("none") }] : []),
  ];
  return html`<section class="card">
    <${Table}
      caption=${t("operations.ended")}
      empty=${t("operations.none-ended")}
      heads=${[[t("operations.outcome")], [t("operations.code")], [t("operations.total"), "number"], [t("operations.per-minute"), "number"]]}
      rows=${rows.map((each) => ({
        key: each.what + each.code,
        cells: [each.what, html`<code>${each.code}</code>`, whole.format(each.total), perMinute(t, each.per_second)],
      }))}
    />
  </section>`;
}

function Requests({ t, seen }) {
  return html`<section class="card">
    <${Table}
      caption=${t("operations.requests")}
      empty=${t("operations.none-asked")}
      heads=${[[t("operations.answered")], [t("operations.total"), "number"], [t("operations.per-minute"), "number"]]}
      rows=${seen.requests.map((each) => ({
        key: each.status_class,
        cells: [each.status_class, whole.format(each.total), perMinute(t, each.per_second)],
      }))}
    />
  </section>`;
}

/** A table with a caption; it scrolls by itself where it is too wide. `heads`: `[text, class?]`. */
function Table({ caption, hidden = false, heads, rows, empty }) {
  if (rows.length === 0 && empty) return html`<h2>${caption}</h2><p class="quiet">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class=${hidden ? "visually-hidden" : ""}>${caption}</caption>
      <thead>
        <tr>${heads.map(([text, kind]) => html`<th key=${text} scope="col" class=${kind}>${text}</th>`)}</tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ key, cells }) => html`<tr key=${key}>
            ${cells.map((cell, index) =>
              index === 0 ? html`<th scope="row">${cell}</th>` : html`<td class=${heads[index][1]}>${cell}</td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

await start(App, "operator");

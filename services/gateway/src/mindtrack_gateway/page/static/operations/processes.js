// Who runs, and who should.

import { html } from "../core/html.js";
import { Table } from "./table.js";
import { timeOfDay } from "./words.js";

export function Workers({ t, workers }) {
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

export function Processes({ t, processes }) {
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

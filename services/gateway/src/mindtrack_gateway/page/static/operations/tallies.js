// What waits elsewhere, what ended how, and what was asked.

import { seconds as lasting } from "../core/format.js";
import { html } from "../core/html.js";
import { Table } from "./table.js";
import { count, known, perMinute } from "./words.js";

const BACKLOGS = { unrung: "relay", webhooks: "deliver", notifications: "deliver", standings: "maintenance" };

export function Backlogs({ t, backlogs }) {
  return html`<section class="card">
    <${Table}
      caption=${t("operations.backlogs")}
      heads=${[[t("operations.what")], [t("operations.waiting"), "number"], [t("operations.first-for"), "number"], [t("operations.whose")]]}
      rows=${Object.entries(BACKLOGS).map(([name, whose]) => ({
        key: name,
        cells: [
          t(`backlog.${name}`),
          known(t, backlogs[name].waiting, count),
          backlogs[name].waiting === 0 ? t("none") : known(t, backlogs[name].oldest_seconds, lasting),
          whose,
        ],
      }))}
    />
  </section>`;
}

export function Ended({ t, seen }) {
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
        cells: [each.what, html`<code>${each.code}</code>`, count(each.total), perMinute(t, each.per_second)],
      }))}
    />
  </section>`;
}

export function Requests({ t, seen }) {
  return html`<section class="card">
    <${Table}
      caption=${t("operations.requests")}
      empty=${t("operations.none-asked")}
      heads=${[[t("operations.answered")], [t("operations.total"), "number"], [t("operations.per-minute"), "number"]]}
      rows=${seen.requests.map((each) => ({
        key: each.status_class,
        cells: [each.status_class, count(each.total), perMinute(t, each.per_second)],
      }))}
    />
  </section>`;
}

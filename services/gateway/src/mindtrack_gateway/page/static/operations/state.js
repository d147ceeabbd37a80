// One sentence about everything, and what is worth a look.

import { seconds as lasting } from "../core/format.js";
import { html, useEffect, useState } from "../core/html.js";
import { reason } from "../core/states.js";
import { laneName, part, timeOfDay } from "./words.js";

/** One sentence about everything. It is read out when it changes, and not with every look. */
export function State({ t, seen, error, at, again }) {
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

export function Incidents({ t, seen }) {
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

function incident(t, { name, priority, seconds, share }) {
  const key = `incident.${name}`;
  if (!t.has(key)) return name;
  return t(key, {
    lane: priority === null ? "" : laneName(t, priority),
    time: seconds === null ? "" : lasting(seconds),
    share: share === null ? "" : part(share),
  });
}

/** A page of the runbook: a link if it is published, else the name of its file. */
function Page({ t, name, base }) {
  if (base === null) return html`<code>docs/runbook/incidents/${name}.md</code>`;
  return html`<a href=${`${base}/incidents/${name}.md`}>${t("operations.what-to-do")}<span class="visually-hidden">: ${name}</span></a>`;
}

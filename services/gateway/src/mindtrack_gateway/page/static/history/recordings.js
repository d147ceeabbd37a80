// The person's recordings, newest first, page by page.

import { address, get } from "../core/api.js";
import { moment, share } from "../core/format.js";
import { html, useState } from "../core/html.js";
import { Failure, Loaded, useLoaded } from "../core/states.js";
import { advice } from "../jobs/ending.js";

const PATH = "/v1/jobs";
const AT_ONCE = 10;
const STATES = ["succeeded", "rejected", "failed", "queued", "running", "canceled"];
/** Without a result, and not to have one. */
const UNUSED = ["rejected", "failed", "canceled"];

export function Recordings({ t }) {
  const [status, setStatus] = useState("");
  const first = useLoaded((signal) => get(address(PATH, { limit: AT_ONCE, status }), { signal }), [status]);
  return html`<section class="card" aria-labelledby="recordings">
    <div class="row">
      <h2 id="recordings">${t("history.recordings")}</h2>
      <label class="filter">
        <span class="visually-hidden">${t("history.filter")}</span>
        <select value=${status} onChange=${(event) => setStatus(event.currentTarget.value)}>
          <option value="">${t("history.all")}</option>
          ${STATES.map((each) => html`<option key=${each} value=${each}>${t(`history.state.${each}`)}</option>`)}
        </select>
      </label>
    </div>
    <${Loaded} t=${t} from=${first}>
      ${(page) => html`<${List} key=${status + (page.items[0]?.id ?? "")} t=${t} first=${page} status=${status} />`}
    <//>
  </section>`;
}

function List({ t, first, status }) {
  const [more, setMore] = useState({ items: first.items, cursor: first.next_cursor, error: null });
  if (more.items.length === 0)
    return html`<p class="quiet">${t("history.none")} <a href="/">${t("history.begin")}</a></p>`;
  const next = async () => {
    try {
      const page = await get(address(PATH, { limit: AT_ONCE, status, cursor: more.cursor }));
      setMore({ items: [...more.items, ...page.items], cursor: page.next_cursor, error: null });
    } catch (error) {
      if (error.kind === undefined) throw error; // a fault of ours
      setMore({ ...more, error });
    }
  };
  return html`<ul class="recordings">
      ${more.items.map((job) => html`<li key=${job.id}><${Recording} t=${t} job=${job} /></li>`)}
    </ul>
    ${more.error && html`<${Failure} t=${t} error=${more.error} />`}
    ${more.cursor && html`<button type="button" class="quiet" onClick=${next}>${t("more")}</button>`}`;
}

function Recording({ t, job }) {
  const score = job.analysis?.stress_score;
  const kind = job.status === "rejected" || job.status === "failed" ? "warn" : "soft";
  return html`<a href=${`/results/${job.id}`}>${moment(job.recording.recorded_at)}</a>
    ${job.status === "succeeded" && typeof score === "number"
      ? html`<span>${t("measure.stress_score")} <strong>${share(score)}</strong></span>`
      : html`<span class=${`badge ${kind}`}>${t(`history.state.${job.status}`)}</span>`}
    ${UNUSED.includes(job.status) && html`<p class="quiet why">${advice(t, job)}</p>`}
    ${job.analysis?.indeterminate && html`<span class="badge soft">${t("history.indeterminate")}</span>`}`;
}

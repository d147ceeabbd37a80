// The person's recordings, newest first, page by page.

import { moment, share } from "../core/format.js";
import { html, useState } from "../core/html.js";
import { Paged, usePaged } from "../core/paged.js";
import { advice } from "../jobs/ending.js";

const AT_ONCE = 10;
const STATES = ["succeeded", "rejected", "failed", "queued", "running", "canceled"];
/** Without a result, and not to have one. */
const UNUSED = ["rejected", "failed", "canceled"];

export function Recordings({ t }) {
  const [status, setStatus] = useState("");
  const list = usePaged("/v1/jobs", { limit: AT_ONCE, status }, [status]);
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
    <${Paged} t=${t} from=${list} empty=${html`${t("history.none")} <a href="/">${t("history.begin")}</a>`}>
      ${(jobs) => html`<ul class="recordings">
        ${jobs.map((job) => html`<li key=${job.id}><${Recording} t=${t} job=${job} /></li>`)}
      </ul>`}
    <//>
  </section>`;
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

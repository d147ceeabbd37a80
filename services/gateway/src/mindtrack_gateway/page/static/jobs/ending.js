// How a job ended, and what to do now.

import { html, useEffect, useRef } from "../core/html.js";

/** `again`: how to record anew; without it, a link leads there. */
export function Ending({ t, job, again }) {
  if (job.status === "succeeded") {
    return html`<div class="stack">
      <p class="figure good">${t("job.succeeded")}</p>
      <div class="row">
        <a class="button" href=${`/results/${job.id}`}>${t("job.see")}</a>
        ${again && html`<button type="button" class="quiet" onClick=${again}>${t("job.another")}</button>`}
      </div>
    </div>`;
  }
  return html`<div class="stack">
    <div class="notice warn">
      <h3>${t(`job.${job.status}`)}</h3>
      <p>${advice(t, job)}</p>
    </div>
    <${Anew} t=${t} again=${again} />
  </div>`;
}

/** In the page's language where it knows the reason, else in the API's own words. */
export function advice(t, job) {
  const { code, detail } = job.problem ?? {};
  const key = `job.advice.${job.status === "canceled" ? "canceled" : code}`;
  return t.has(key) ? t(key) : (detail ?? t("job.advice.other"));
}

/** A job that is not there: deleted, or never somebody's own. */
export function Gone({ t, error, focus = false }) {
  const kind = error.status === 410 ? "deleted" : "unknown";
  const heading = useRef(null);
  useEffect(() => {
    if (focus) heading.current.focus();
  }, []);
  return html`<section class="card stack">
    <h2 tabindex="-1" ref=${heading}>${t(`job.${kind}`)}</h2>
    <p>${t(`job.${kind}.help`)}</p>
    <${Anew} t=${t} />
  </section>`;
}

const Anew = ({ t, again }) =>
  again
    ? html`<p><button type="button" onClick=${again}>${t("job.record-again")}</button></p>`
    : html`<p><a class="button" href="/">${t("job.record-again")}</a></p>`;

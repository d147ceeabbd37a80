// A job on its way, as it moves, and how it ended.

import { post } from "../core/api.js";
import { number, seconds } from "../core/format.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
import { Failure, Loading } from "../core/states.js";
import { Ending, Gone } from "./ending.js";
import { follow, hasEnded } from "./follow.js";

/** `known`: the job as it was answered; `ended(job)` once; `again`: how to record anew. */
export function Live({ t, id, known = null, ended, again }) {
  const [job, setJob] = useState(known);
  const [gone, setGone] = useState(null);
  const [trouble, setTrouble] = useState(null);
  const place = useRef(null);
  useEffect(() => {
    if (known) place.current.focus();
    const controller = new AbortController();
    follow(id, { job: setJob, gone: setGone, trouble: setTrouble }, controller.signal);
    return () => controller.abort();
  }, [id]);
  const over = job !== null && hasEnded(job);
  useEffect(() => {
    if (over) ended?.(job);
  }, [over]);
  if (gone) return html`<${Gone} t=${t} error=${gone} />`;
  return html`<div class="stack" tabindex="-1" ref=${place}>
    <div aria-live="polite">${trouble && html`<p class="notice warn">${t("job.trouble")}</p>`}</div>
    ${job && !over && html`<${Way} t=${t} job=${job} changed=${setJob} />`}
    <div class="stack" aria-live="polite">
      ${job === null && html`<${Loading} t=${t} />`}
      ${over && html`<${Ending} t=${t} job=${job} again=${again} />`}
    </div>
  </div>`;
}

function Way({ t, job, changed }) {
  const steps = ["sent", "queued", "running", "done"];
  const now = job.status === "running" ? 2 : 1;
  return html`<div class="stack">
    <ol class="way">
      ${steps.map(
        (step, index) => html`<li key=${step} class=${index < now ? "past" : index === now ? "now" : ""} aria-current=${index === now ? "step" : undefined}>
          ${t(`job.step.${step}`)}
        </li>`,
      )}
    </ol>
    <p><span aria-live="polite">${t(`job.${job.status}`)}</span> ${job.status === "queued" && job.queue && place(t, job.queue)}</p>
    <p class="quiet">${t("job.leave")}</p>
    ${job.status === "queued" && html`<${Withdraw} t=${t} job=${job} changed=${changed} />`}
  </div>`;
}

function place(t, { position, eta_seconds: eta }) {
  const told = position === 1 ? t("job.next") : t("job.position", { position: number(position) });
  return eta === null ? told : `${told} ${t("job.eta", { time: seconds(Math.max(1, Math.ceil(eta))) })}`;
}

function Withdraw({ t, job, changed }) {
  const [error, setError] = useState(null);
  const withdraw = async () => {
    setError(null);
    try {
      changed(await post(`/v1/jobs/${job.id}/cancel`));
    } catch (failed) {
      if (failed.kind === undefined) throw failed;
      setError(failed);
    }
  };
  return html`<div>
    ${error && html`<${Failure} t=${t} error=${error} />`}
    <button type="button" class="quiet" onClick=${withdraw}>${t("job.withdraw")}</button>
  </div>`;
}

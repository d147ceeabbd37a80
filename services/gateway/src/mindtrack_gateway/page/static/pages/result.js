import { ApiError, get } from "../core/api.js";
import { html, useState } from "../core/html.js";
import { start } from "../core/start.js";
import { Failure, Loading, useLoaded } from "../core/states.js";
import { Ending, Gone } from "../jobs/ending.js";
import { hasEnded } from "../jobs/follow.js";
import { Live } from "../jobs/live.js";
import { Analysis } from "../result/analysis.js";
import { Deletion } from "../result/deletion.js";
import { Quality } from "../result/quality.js";

const id = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1));

function App({ t }) {
  const [deleted, setDeleted] = useState(false);
  const job = useLoaded((signal) => get(`/v1/jobs/${encodeURIComponent(id)}`, { signal }), []);
  if (deleted) return html`<${Gone} t=${t} error=${new ApiError("not-found", { status: 410 })} focus />`;
  if (job.error) return html`<${Missing} t=${t} from=${job} />`;
  if (job.value === null) return html`<${Loading} t=${t} />`;
  if (!hasEnded(job.value)) {
    return html`<section class="card" aria-labelledby="way">
      <h2 class="visually-hidden" id="way">${t("result.way")}</h2>
      <${Live} t=${t} id=${id} ended=${(ended) => ended.status === "succeeded" && job.again()} />
    </section>`;
  }
  return html`<div class="stack">
    ${job.value.analysis ? html`<${Analysis} t=${t} job=${job.value} />` : html`<${Refused} t=${t} job=${job.value} />`}
    <${Deletion} t=${t} id=${job.value.id} deleted=${() => setDeleted(true)} />
  </div>`;
}

/** An address that holds no id is answered as one of a job that is not there. */
function Missing({ t, from }) {
  const none = from.error.kind === "not-found" || from.error.status === 422;
  return none
    ? html`<${Gone} t=${t} error=${from.error} />`
    : html`<${Failure} t=${t} error=${from.error} again=${from.again} />`;
}

const Refused = ({ t, job }) => html`<section class="card" aria-labelledby="ending">
    <h2 class="visually-hidden" id="ending">${t("result.ending")}</h2>
    <${Ending} t=${t} job=${job} />
  </section>
  ${job.quality && html`<${Quality} t=${t} quality=${job.quality} />`}`;

await start(App, "person");

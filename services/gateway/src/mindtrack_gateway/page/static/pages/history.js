import { address, get } from "../core/api.js";
import { html } from "../core/html.js";
import { start } from "../core/start.js";
import { Loaded, useLoaded } from "../core/states.js";
import { Trend } from "../core/trend.js";
import { Choice, useChoice } from "../history/choice.js";
import { Recordings } from "../history/recordings.js";
import { Buckets } from "../trends/buckets.js";
import { Calibration } from "../trends/calibration.js";
import { Caveats } from "../trends/caveats.js";
import { Method, Summary } from "../trends/summary.js";

const FILES = [
  ["history.csv", "history.file.days"],
  ["analyses.csv", "history.file.analyses"],
  ["fhir/observations", "history.file.fhir"],
];
/** As many as a chart can show. */
const MARKS = 100;

function App({ t }) {
  const [choice, change] = useChoice();
  const trends = useLoaded((signal) => get(address("/v1/users/me/trends", choice), { signal }), [choice.days, choice.measure]);
  const alerts = useLoaded((signal) => get(address("/v1/users/me/alerts", { limit: MARKS }), { signal }), []);
  return html`<div class="stack">
    <section class="card stack" aria-labelledby="trend">
      <h2 id="trend">${t(`measure.${choice.measure}`)}</h2>
      <${Choice} t=${t} choice=${choice} change=${change} />
      <${Loaded} t=${t} from=${trends}>
        ${(found) => html`<${Measure} t=${t} report=${found.measures[0]} alerts=${alerts.value?.items} />`}
      <//>
    </section>
    <${Recordings} t=${t} />
    <section class="card" aria-labelledby="files">
      <h2 id="files">${t("history.files")}</h2>
      <ul>
        ${FILES.map(([path, text]) => html`<li key=${path}><a href=${`/v1/users/me/${path}`} download>${t(text)}</a></li>`)}
      </ul>
    </section>
  </div>`;
}

const NO_ALERTS = [];

function Measure({ t, report, alerts = NO_ALERTS }) {
  return html`<${Trend} t=${t} report=${report} alerts=${alerts} />
    ${!report.calibration.complete && html`<${Calibration} t=${t} calibration=${report.calibration} />`}
    <${Summary} t=${t} report=${report} />
    <${Caveats} t=${t} caveats=${report.caveats} />
    <div>
      <${Buckets} t=${t} report=${report} kind="weeks" />
      <${Buckets} t=${t} report=${report} kind="months" />
      <${Method} t=${t} report=${report} />
    </div>`;
}

await start(App, "person");

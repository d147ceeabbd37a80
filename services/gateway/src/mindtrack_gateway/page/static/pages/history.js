import { address, get } from "../core/api.js";
import { html } from "../core/html.js";
import { start } from "../core/start.js";
import { Failure, Loaded, useLoaded } from "../core/states.js";
import { Trend } from "../core/trend.js";
import { Choice } from "../history/choice.js";
import { Files } from "../history/files.js";
import { Recordings } from "../history/recordings.js";
import { Buckets } from "../trends/buckets.js";
import { Calibration } from "../trends/calibration.js";
import { Caveats } from "../trends/caveats.js";
import { useChoice } from "../trends/choice.js";
import { Method, Summary } from "../trends/summary.js";

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
        ${(found) => html`<${Measure} t=${t} report=${found.measures[0]} alerts=${alerts} />`}
      <//>
    </section>
    <${Recordings} t=${t} />
    <${Files} t=${t} />
  </div>`;
}

const NO_ALERTS = [];

function Measure({ t, report, alerts }) {
  if (report.recordings === 0 && report.calibration.recordings.have === 0) return html`<${Beginning} t=${t} />`;
  return html`<${Trend} t=${t} report=${report} alerts=${alerts.value?.items ?? NO_ALERTS} />
    ${alerts.error && html`<${Unmarked} t=${t} alerts=${alerts} />`}
    ${!report.calibration.complete && html`<${Calibration} t=${t} calibration=${report.calibration} />`}
    <${Summary} t=${t} report=${report} />
    <${Caveats} t=${t} caveats=${report.caveats} />
    <div>
      <${Buckets} t=${t} report=${report} kind="weeks" />
      <${Buckets} t=${t} report=${report} kind="months" />
      <${Method} t=${t} report=${report} />
    </div>`;
}

const Beginning = ({ t }) => html`<p>${t("history.beginning")}</p>
  <p><a class="button" href="/">${t("history.begin.first")}</a></p>`;

const Unmarked = ({ t, alerts }) => html`<div>
  <p class="quiet">${t("history.unmarked")}</p>
  <${Failure} t=${t} error=${alerts.error} again=${alerts.again} />
</div>`;

await start(App, "person");

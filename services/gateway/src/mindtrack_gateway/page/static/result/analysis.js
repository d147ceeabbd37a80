// What an analysis says, from the most to the least of interest.

import { moment, percent, seconds, share } from "../core/format.js";
import { html } from "../core/html.js";
import { Biomarkers } from "./biomarkers.js";
import { Emotions } from "./emotions.js";
import { Quality } from "./quality.js";
import { Rating } from "./rating.js";
import { Score } from "./score.js";
import { Timeline } from "./timeline.js";

export function Analysis({ t, job }) {
  const { analysis, recording } = job;
  return html`<div class="stack">
    <p class="quiet">
      ${t("result.of", { moment: moment(recording.recorded_at), length: seconds(analysis.audio_seconds) })}
    </p>
    <${Doubt} t=${t} analysis=${analysis} />
    <div class="columns">
      <${Score} t=${t} job=${job} />
      <${Emotions} t=${t} analysis=${analysis} />
    </div>
    <${Rating} t=${t} id=${job.id} />
    <${Timeline} t=${t} analysis=${analysis} />
    <${Indices} t=${t} indices=${analysis.indices} />
    <${Biomarkers} t=${t} biomarkers=${analysis.biomarkers} />
    ${job.quality && html`<${Quality} t=${t} quality=${job.quality} />`}
    <${Meaning} t=${t} job=${job} />
  </div>`;
}

/** When the model could not tell, that comes first. */
function Doubt({ t, analysis }) {
  if (!analysis.indeterminate) return null;
  const key = `result.indeterminate.${analysis.indeterminate_reason}`;
  return html`<section class="notice warn" aria-labelledby="doubt">
    <h2 id="doubt">${t("result.indeterminate")}</h2>
    <p>${t.has(key) ? t(key) : t("result.indeterminate.other")}</p>
    <p>${t("result.indeterminate.counts")}</p>
  </section>`;
}

function Indices({ t, indices }) {
  const names = ["anxiety", "depressive", "baseline"];
  return html`<section class="card" aria-labelledby="indices">
    <h2 id="indices">${t("result.indices")}</h2>
    <p class="quiet">${t("result.indices.what")}</p>
    <dl class="facts">
      ${names.map(
        (name) => html`<div key=${name}>
          <dt>${t(`measure.${name}_index`)}</dt>
          <dd>${indices[name] === null ? t("result.cannot") : share(indices[name])}</dd>
        </div>`,
      )}
    </dl>
  </section>`;
}

function Meaning({ t, job }) {
  const { model } = job.analysis;
  const { uncertainty, unmapped_mass: unmapped } = job.analysis;
  return html`<section class="card" aria-labelledby="meaning">
    <h2 id="meaning">${t("result.meaning")}</h2>
    <ul>
      ${["diagnosis", "feeling", "one", "others"].map((each) => html`<li key=${each}>${t(`result.meaning.${each}`)}</li>`)}
    </ul>
    ${uncertainty !== null && html`<p class="quiet">${t("result.uncertainty", { share: percent(uncertainty) })}</p>`}
    ${unmapped > 0 && html`<p class="quiet">${t("result.unmapped", { share: percent(unmapped) })}</p>`}
    <p class="small quiet">
      ${t("result.model", { bundle: model.bundle_id, revision: model.bundle_revision, engine: model.engine, precision: model.precision })}
      ${" "}${model.calibration_set ? t("result.calibrated", { set: model.calibration_set }) : t("result.uncalibrated")}
    </p>
  </section>`;
}

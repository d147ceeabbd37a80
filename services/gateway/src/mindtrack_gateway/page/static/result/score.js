// The stress score, within what is usual for the person.

import { address, get } from "../core/api.js";
import { share } from "../core/format.js";
import { html } from "../core/html.js";
import { Failure, Loading, useLoaded } from "../core/states.js";
import { place, usual } from "./usual.js";

const DAY = 86_400_000; // milliseconds
const LONGEST = 731; // days that can be asked for

export function Score({ t, job }) {
  const score = job.analysis.stress_score;
  const age = Math.ceil((Date.now() - Date.parse(job.recording.recorded_at)) / DAY) + 1;
  const days = Math.min(LONGEST, Math.max(7, age));
  const trends = useLoaded((signal) => get(address("/v1/users/me/trends", { days }), { signal }), [job.id]);
  return html`<section class="card" aria-labelledby="score">
    <h2 id="score">${t("measure.stress_score")}</h2>
    ${score === null
      ? html`<p>${t("result.score.cannot")}</p>`
      : html`<p class="figure">${share(score)}</p>
          <p class="quiet">${t("result.score.what")}</p>
          <${Beside} t=${t} job=${job} score=${score} trends=${trends} />`}
  </section>`;
}

function Beside({ t, job, score, trends }) {
  if (trends.error) return html`<${Failure} t=${t} error=${trends.error} again=${trends.again} />`;
  if (trends.value === null) return html`<${Loading} t=${t} />`;
  const { range, why } = usual(trends.value.measures[0], job);
  if (range === null) {
    return html`<${Scale} score=${score} label=${t("result.score.label", { score: share(score) })} />
      <p>${t(`result.usual.${why}`)}</p>`;
  }
  const values = { score: share(score), low: share(range.low), high: share(range.high), centre: share(range.centre) };
  return html`<${Scale} score=${score} range=${range} label=${t("result.usual.label", values)} />
    <p><strong>${t(`result.place.${place(score, range)}`)}</strong> ${t("result.usual.range", values)}</p>
    <p class="quiet">${t("result.usual.what")}</p>`;
}

const at = (value) => `${100 * value}%`;

const Scale = ({ score, range, label }) => html`<div class="scale" role="img" aria-label=${label}>
    ${range && html`<span class="usual" style=${{ left: at(range.low), width: at(range.high - range.low) }}></span>
      <span class="usual-centre" style=${{ left: at(range.centre) }}></span>`}
    <span class="here" style=${{ left: at(score) }}></span>
  </div>
  <div class="ends" aria-hidden="true"><span>${share(0)}</span><span>${share(1)}</span></div>`;

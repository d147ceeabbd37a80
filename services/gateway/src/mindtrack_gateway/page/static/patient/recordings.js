// Analyses of the person's recordings, newest first, and the files to take away.

import { moment, percent, seconds, share } from "../core/format.js";
import { html } from "../core/html.js";
import { Part } from "./access.js";
import { More, useList } from "./list.js";
import { of } from "./person.js";

export function RecordingsPart({ t, access }) {
  const list = useList(access, "analyses", of("analyses"));
  return html`<${Part} t=${t} name="analyses" from=${list.from}>
    ${() =>
      list.items.length === 0
        ? html`<p class="quiet">${t("patient.analyses.none")}</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label=${t("patient.analyses.table")}>
              <${Recordings} t=${t} items=${list.items} />
            </div>
            <${More} t=${t} list=${list} />`}
  <//>`;
}

function Recordings({ t, items }) {
  return html`<table class="analyses">
    <caption class="visually-hidden">${t("patient.analyses.title")}</caption>
    <thead>
      <tr>
        <th scope="col">${t("patient.recorded")}</th>
        <th scope="col" class="number">${t("measure.stress_score")}</th>
        <th scope="col" class="number">${t("measure.anxiety_index")}</th>
        <th scope="col" class="number">${t("measure.depressive_index")}</th>
        <th scope="col" class="number">${t("measure.baseline_index")}</th>
        <th scope="col">${t("patient.emotion")}</th>
        <th scope="col" class="number">${t("patient.length")}</th>
        <th scope="col">${t("patient.model")}</th>
      </tr>
    </thead>
    <tbody>
      ${items.map((each) => html`<${Recording} key=${each.job_id} t=${t} recording=${each} />`)}
    </tbody>
  </table>`;
}

function Recording({ t, recording: { recorded_at: at, analysis } }) {
  const or = (value) => (value === null || value === undefined ? t("none") : share(value));
  const unsure = analysis.indeterminate;
  const emotion = `emotion.${analysis.emotion.toLowerCase()}`;
  const heard = `${t.has(emotion) ? t(emotion) : analysis.emotion} (${percent(analysis.confidence)})`;
  return html`<tr>
    <th scope="row">${moment(at)}</th>
    <td class="number">${unsure ? t("none") : or(analysis.stress_score)}</td>
    <td class="number">${unsure ? t("none") : or(analysis.indices.anxiety)}</td>
    <td class="number">${unsure ? t("none") : or(analysis.indices.depressive)}</td>
    <td class="number">${unsure ? t("none") : or(analysis.indices.baseline)}</td>
    <td>${unsure ? t("patient.unsure") : heard}</td>
    <td class="number">${seconds(analysis.audio_seconds)}</td>
    <td>${analysis.model.bundle_revision}</td>
  </tr>`;
}

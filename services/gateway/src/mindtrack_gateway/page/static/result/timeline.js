// How the scores went over the recording: a lane for each emotion, and the same as a table.

import { number, percent } from "../core/format.js";
import { html } from "../core/html.js";
import { EMOTIONS, emotionName } from "./emotions.js";

export function Timeline({ t, analysis }) {
  const windows = analysis.windows ?? [];
  return html`<section class="card" aria-labelledby="timeline">
    <h2 id="timeline">${t("result.timeline")}</h2>
    ${windows.length < 2
      ? html`<p class="quiet">${t("result.timeline.one")}</p>`
      : html`<p class="quiet">${t("result.timeline.what")}</p>
          <${Lanes} t=${t} windows=${windows} seconds=${analysis.audio_seconds} />`}
    ${windows.length > 0 && html`<${Twin} t=${t} windows=${windows} />`}
  </section>`;
}

/** Windows overlap: each is drawn until the next one begins. */
function spans(windows) {
  return windows.map((window, index) => {
    const next = windows[index + 1]?.start_seconds ?? Infinity;
    return { window, start: window.start_seconds, end: Math.min(window.end_seconds, next) };
  });
}

function Lanes({ t, windows, seconds }) {
  const drawn = spans(windows);
  const shown = EMOTIONS.filter((emotion) => windows.some((window) => window.probabilities[emotion] !== null));
  const label = t("result.timeline.label", { count: windows.length });
  return html`<div class="lanes" role="img" aria-label=${label}>
    ${shown.map((emotion) => html`<div class="lane" key=${emotion}>
      <span>${emotionName(t, emotion)}</span>
      <span class="lane-track">
        ${drawn.map(({ window, start, end }) => html`<span
          key=${start}
          class=${window.indeterminate ? "slice unsure" : "slice"}
          style=${{
            left: `${(100 * start) / seconds}%`,
            width: `${(100 * (end - start)) / seconds}%`,
            height: `${100 * (window.probabilities[emotion] ?? 0)}%`,
          }}
        ></span>`)}
      </span>
    </div>`)}
    <div class="lane"><span></span><span class="ends"><span>${number(0)} s</span><span>${number(seconds)} s</span></span></div>
  </div>
  ${windows.some((window) => window.indeterminate) && html`<p class="quiet">${t("result.timeline.unsure")}</p>`}`;
}

const Twin = ({ t, windows }) => html`<details>
  <summary>${t("as-table")}</summary>
  <div class="scroll" tabindex="0" role="region" aria-label=${t("result.table", { name: t("result.timeline") })}>
    <table>
      <caption class="visually-hidden">${t("result.timeline")}</caption>
      <thead>
        <tr>
          <th scope="col">${t("result.seconds")}</th>
          ${EMOTIONS.map((emotion) => html`<th scope="col" class="number" key=${emotion}>${emotionName(t, emotion)}</th>`)}
          <th scope="col">${t("result.sure")}</th>
        </tr>
      </thead>
      <tbody>
        ${windows.map((window) => html`<tr key=${window.start_seconds}>
          <th scope="row">${number(window.start_seconds)} – ${number(window.end_seconds)}</th>
          ${EMOTIONS.map((emotion) => html`<td class="number" key=${emotion}>${written(t, window.probabilities[emotion])}</td>`)}
          <td>${t(window.indeterminate ? "result.sure.no" : "result.sure.yes")}</td>
        </tr>`)}
      </tbody>
    </table>
  </div>
</details>`;

const written = (t, value) => (value === null ? t("none") : percent(value));

// The five probabilities, as bars with their values.

import { percent } from "../core/format.js";
import { html } from "../core/html.js";

/** In the order of the API. */
export const EMOTIONS = ["Neutral", "Happy", "Sad", "Anxious", "Stressed"];

export const emotionName = (t, emotion) => t(`emotion.${emotion.toLowerCase()}`);

export const Emotions = ({ t, analysis }) => html`<section class="card" aria-labelledby="emotions">
  <h2 id="emotions">${t("result.emotions")}</h2>
  <p class="quiet">${t("result.emotions.what")}</p>
  <ul class="bars">
    ${EMOTIONS.map((emotion) => html`<${Bar} key=${emotion} t=${t} emotion=${emotion} value=${analysis.probabilities[emotion]} />`)}
  </ul>
</section>`;

const Bar = ({ t, emotion, value }) => html`<li>
  <span>${emotionName(t, emotion)}</span>
  <span class="track" aria-hidden="true">
    ${value !== null && html`<span class="fill" style=${{ width: `${100 * value}%` }}></span>`}
  </span>
  <span class="number">${value === null ? t("result.cannot") : percent(value)}</span>
</li>`;

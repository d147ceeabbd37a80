// How far the person's own range is known: what a first one takes, and how much of it is there.

import { html } from "../core/html.js";

export function Calibration({ t, calibration }) {
  const parts = [
    ["days", calibration.recording_days],
    ["recordings", calibration.recordings],
    ["span", calibration.span_days],
  ];
  return html`<div class="notice">
    <h3>${t("home.calibration")}</h3>
    <p>${t("home.calibration.why")}</p>
    <ul class="calibration">
      ${parts.map(([name, { have, need }]) => {
        const text = t(`home.calibration.${name}`, { have: Math.min(have, need), need });
        return html`<li key=${name}>
          <label for=${`calibration-${name}`}>${text}</label>
          <progress id=${`calibration-${name}`} max=${need} value=${Math.min(have, need)}>${text}</progress>
        </li>`;
      })}
    </ul>
  </div>`;
}

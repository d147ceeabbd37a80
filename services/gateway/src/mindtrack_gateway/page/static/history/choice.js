// What of the history is looked at: a period and a measure, kept in the address.

import { html, useState } from "../core/html.js";

export const PERIODS = [30, 90, 365, 731]; // days
export const MEASURES = [
  "stress_score",
  "anxiety_index",
  "depressive_index",
  "baseline_index",
  "f0_median_hz",
  "pause_mean_seconds",
  "pause_ratio",
  "speech_rate_per_second",
  "articulation_rate_per_second",
  "response_latency_seconds",
];

/** Return what is chosen, and a function that changes some of it. */
export function useChoice() {
  const [choice, setChoice] = useState(read);
  const change = (part) => {
    const next = { ...choice, ...part };
    const query = new URLSearchParams({ days: next.days, measure: next.measure });
    history.replaceState(null, "", `?${query}`);
    setChoice(next);
  };
  return [choice, change];
}

function read() {
  const query = new URLSearchParams(location.search);
  const days = Number(query.get("days"));
  const measure = query.get("measure");
  return {
    days: PERIODS.includes(days) ? days : 90,
    measure: MEASURES.includes(measure) ? measure : "stress_score",
  };
}

export function Choice({ t, choice, change }) {
  return html`<div class="row choice">
    <fieldset>
      <legend class="visually-hidden">${t("history.period")}</legend>
      <div class="row">
        ${PERIODS.map(
          (days) => html`<label key=${days}>
            <input
              type="radio"
              name="days"
              checked=${choice.days === days}
              onChange=${() => change({ days })}
            />${" "}${t(`history.period.${days}`)}
          </label>`,
        )}
      </div>
    </fieldset>
    <label>
      <span class="visually-hidden">${t("history.measure")}</span>
      <select value=${choice.measure} onChange=${(event) => change({ measure: event.currentTarget.value })}>
        ${MEASURES.map((measure) => html`<option key=${measure} value=${measure}>${t(`measure.${measure}`)}</option>`)}
      </select>
    </label>
  </div>`;
}

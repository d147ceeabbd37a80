// What of the history is looked at.

import { html } from "../core/html.js";
import { MEASURES, PERIODS } from "../trends/choice.js";

export function Choice({ t, choice, change }) {
  return html`<div class="row choice">
    <fieldset>
      <legend class="visually-hidden">${t("trend.days")}</legend>
      <div class="row">
        ${PERIODS.map(
          (days) => html`<label key=${days}>
            <input
              type="radio"
              name="days"
              checked=${choice.days === days}
              onChange=${() => change({ days })}
            />${" "}${t(`trend.days.${days}`)}
          </label>`,
        )}
      </div>
    </fieldset>
    <label>
      <span class="visually-hidden">${t("trend.measure")}</span>
      <select value=${choice.measure} onChange=${(event) => change({ measure: event.currentTarget.value })}>
        ${MEASURES.map((measure) => html`<option key=${measure} value=${measure}>${t(`measure.${measure}`)}</option>`)}
      </select>
    </label>
  </div>`;
}

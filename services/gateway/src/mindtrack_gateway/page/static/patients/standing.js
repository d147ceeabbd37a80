// How somebody stands, in words for who looks after them.

import { html } from "../core/html.js";
import { direction as worded, standing } from "../core/standing.js";

export const NotShared = ({ t }) => html`<span class="quiet">${t("patients.not-shared")}</span>`;

export function Standing({ t, patient }) {
  const { status, direction } = patient;
  if (status === null) return html`<span class="quiet">${t("patients.not-evaluated")}</span>`;
  return html`<span class="badge ${status}">${standing(t, status)}</span>
    ${direction !== null && html` <span class="quiet patients-direction">${worded(t, direction)}</span>`}`;
}

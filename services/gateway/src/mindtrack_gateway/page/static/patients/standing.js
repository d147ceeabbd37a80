// How somebody stands, in words for who looks after them.

import { html } from "../core/html.js";

/** Write a status or direction; common texts of some speak to the person, and newer releases may know others. */
function worded(t, name) {
  if (t.has(`patients.${name}`)) return t(`patients.${name}`);
  return t.has(name) ? t(name) : name.slice(name.indexOf(".") + 1);
}

export const standing = (t, status) => worded(t, `status.${status}`);

export const NotShared = ({ t }) => html`<span class="quiet">${t("patients.not-shared")}</span>`;

export function Standing({ t, patient }) {
  const { status, direction } = patient;
  if (status === null) return html`<span class="quiet">${t("patients.not-evaluated")}</span>`;
  return html`<span class="badge ${status}">${standing(t, status)}</span>
    ${direction !== null && html` <span class="quiet patients-direction">${worded(t, `direction.${direction}`)}</span>`}`;
}

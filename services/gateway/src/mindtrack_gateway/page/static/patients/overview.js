// How many stand how; a count narrows the list down to those it counts.

import { html } from "../core/html.js";
import { Loaded } from "../core/states.js";

const STATUSES = ["well_above", "above", "within_range", "below", "calibrating", "no_status"];

export function Overview({ t, from, query, change }) {
  return html`<${Loaded} t=${t} from=${from}>
    ${(found) => html`<div class="counts" role="group" aria-label=${t("patients.overview")}>
      <${Count} text=${t("patients.all")} count=${found.persons}
        pressed=${!query.status && !query.alerts} onClick=${() => change({ status: "", alerts: "" })} />
      <${Count} text=${t("patients.with-alerts")} count=${found.alerts.persons}
        pressed=${query.alerts === "true"} onClick=${() => change({ status: "", alerts: "true" })} />
      ${STATUSES.filter((status) => found.by_status[status]).map(
        (status) => html`<${Count} key=${status} text=${t(`status.${status}`)} count=${found.by_status[status]}
          pressed=${query.status === status} onClick=${() => change({ status, alerts: "" })} />`,
      )}
    </div>`}
  <//>`;
}

const Count = ({ text, count, pressed, onClick }) =>
  html`<button type="button" class="count" aria-pressed=${String(pressed)} onClick=${onClick}>
    <span class="figure">${count}</span>${text}
  </button>`;

// What the list is narrowed to besides the counts above it.

import { html, useEffect, useRef, useState } from "../core/html.js";

const PAUSE = 300; // milliseconds without a key
const LONGEST = 80;

function Search({ t, search, ask }) {
  const [typed, setTyped] = useState(search);
  const timer = useRef(null);
  useEffect(() => {
    clearTimeout(timer.current);
    setTyped((former) => (former.trim() === search ? former : search));
  }, [search]);
  useEffect(() => () => clearTimeout(timer.current), []);

  function type(event) {
    const { value } = event.target;
    setTyped(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => ask({ search: value.trim() }, { typed: true }), PAUSE);
  }

  return html`<div>
    <label for="patients-search">${t("patients.search")}</label>
    <input
      id="patients-search"
      type="search"
      value=${typed}
      maxlength=${LONGEST}
      autocomplete="off"
      aria-describedby="patients-search-hint"
      onInput=${type}
    />
    <p id="patients-search-hint" class="quiet hint">${t("patients.search.hint")}</p>
  </div>`;
}

const Alerts = ({ t, chosen, ask }) => html`<div>
  <label for="patients-alerts">${t("patients.filter.alerts")}</label>
  <select id="patients-alerts" value=${chosen} onChange=${(event) => ask({ open_alerts: event.target.value })}>
    <option value="">${t("patients.filter.alerts.any")}</option>
    <option value="true">${t("patients.filter.alerts.some")}</option>
    <option value="false">${t("patients.filter.alerts.no")}</option>
  </select>
</div>`;

export const Filters = ({ t, query, ask }) => html`<div class="patients-filters" role="search">
  <${Search} t=${t} search=${query.search} ask=${ask} />
  <${Alerts} t=${t} chosen=${query.open_alerts} ask=${ask} />
</div>`;

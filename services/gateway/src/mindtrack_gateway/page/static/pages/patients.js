import { get } from "../core/api.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
import { start } from "../core/start.js";
import { Failure, Loaded, useLoaded } from "../core/states.js";
import { Counts } from "../patients/counts.js";
import { Filters } from "../patients/filters.js";
import { usePatients } from "../patients/list.js";
import { EVERYBODY, narrowed, useQuery } from "../patients/query.js";
import { Redeem } from "../patients/redeem.js";
import { Table } from "../patients/table.js";

function App({ t }) {
  const [query, ask] = useQuery();
  const list = usePatients(query);
  const overview = useLoaded((signal) => get("/v1/patients/overview", { signal }), []);
  const [added, setAdded] = useState(null);
  const nobody = overview.value?.persons === 0;

  function redeemed(grant) {
    setAdded(grant.user_id);
    list.first.again();
    overview.again();
  }

  return html`<div class="stack">
    <div class="row patients-top">
      <p class="quiet">${!nobody && t("patients.told")}</p>
      <${Redeem} t=${t} redeemed=${redeemed} />
    </div>
    <div role="status">${added && html`<${Added} t=${t} userId=${added} />`}</div>
    ${nobody
      ? html`<${Nobody} t=${t} />`
      : html`<${Counts} t=${t} overview=${overview} query=${query} ask=${ask} />
          <${List} t=${t} list=${list} query=${query} ask=${ask} />`}
  </div>`;
}

const Added = ({ t, userId }) => html`<p class="notice">
  ${t("patients.added")} <a href=${`/patients/${userId}`}>${t("patients.added.open")}</a>
</p>`;

const Nobody = ({ t }) => html`<section class="card">
  <h2>${t("patients.nobody")}</h2>
  <p>${t("patients.nobody.body")}</p>
  <ol>
    <li>${t("patients.nobody.invite")}</li>
    <li>${t("patients.nobody.code")}</li>
    <li>${t("patients.nobody.redeem")}</li>
  </ol>
</section>`;

const List = ({ t, list, query, ask }) => html`<section class="card stack" aria-labelledby="patients-list">
  <h2 id="patients-list" tabindex="-1">${t("patients.list")}</h2>
  <${Filters} t=${t} query=${query} ask=${ask} />
  <${Loaded} t=${t} from=${list.first}>${() => html`<${Found} t=${t} list=${list} query=${query} ask=${ask} />`}<//>
</section>`;

function Found({ t, list, query, ask }) {
  const { first, patients, next, busy, failure, more, relabel } = list;
  const count = patients.length;
  const table = useRef(null);
  const before = useRef(null);
  const goOn = () => {
    before.current = count;
    more();
  };
  // The button may be gone: whoever pressed it goes on with the first who is new.
  useEffect(() => {
    if (before.current !== null && count > before.current) focusRow(table.current, before.current);
    before.current = null;
  }, [count]);
  return html`<div class="row" role="status">
      ${t(next === null ? "patients.shown" : "patients.shown-more", { count })}
    </div>
    ${count > 0
      ? html`<div ref=${table}><${Table} t=${t} patients=${patients} query=${query} ask=${ask} relabel=${relabel} busy=${first.loading} /></div>`
      : narrowed(query) && html`<${NoMatch} t=${t} ask=${ask} />`}
    ${failure && html`<${Failure} t=${t} error=${failure} again=${goOn} />`}
    ${next !== null &&
    !failure &&
    html`<div><button type="button" class="quiet" disabled=${busy} onClick=${goOn}>${t("more")}</button></div>`}`;
}

const focusRow = (table, index) => table?.querySelectorAll("tbody tr")[index]?.querySelector("a, input")?.focus();

function NoMatch({ t, ask }) {
  function showAll() {
    document.getElementById("patients-list").focus(); // the button goes
    ask(EVERYBODY);
  }
  return html`<div>
    <p>${t("patients.no-match")}</p>
    <button type="button" class="quiet" onClick=${showAll}>${t("patients.show-all")}</button>
  </div>`;
}

await start(App, "clinician");

import { get } from "../core/api.js";
import { html, useEffect, useState } from "../core/html.js";
import { Paged, usePaged } from "../core/paged.js";
import { start } from "../core/start.js";
import { useLoaded } from "../core/states.js";
import { Overview } from "../patients/overview.js";
import { asked, useQuery } from "../patients/query.js";
import { Redeem } from "../patients/redeem.js";
import { Patients } from "../patients/table.js";

/** Each person in an answer can see that they were looked at. */
const AT_ONCE = 50;
const PAUSE = 300; // milliseconds after the last letter

function App({ t }) {
  const [query, change] = useQuery();
  const [turn, setTurn] = useState(0);
  const overview = useLoaded((signal) => get("/v1/patients/overview", { signal }), [turn]);
  const inputs = [...Object.values(query), turn];
  const list = usePaged("/v1/patients", asked(query, AT_ONCE), inputs);
  const narrowed = Boolean(query.status || query.alerts || query.search);
  return html`<div class="stack">
    <${Overview} t=${t} from=${overview} query=${query} change=${change} />
    <section class="card" aria-label=${t("patients.title")}>
      <div class="row tools">
        <${Search} t=${t} text=${query.search} onSearch=${(search) => change({ search })} />
        <${Redeem} t=${t} onDone=${() => setTurn(turn + 1)} />
      </div>
      <${Paged} t=${t} from=${list} empty=${t(narrowed ? "patients.none-such" : "patients.none")}>
        ${(patients) => html`<${Patients} t=${t} patients=${patients} query=${query} change=${change} />`}
      <//>
    </section>
  </div>`;
}

function Search({ t, text, onSearch }) {
  const [typed, setTyped] = useState(text);
  useEffect(() => {
    if (typed === text) return undefined;
    const waiting = setTimeout(() => onSearch(typed), PAUSE);
    return () => clearTimeout(waiting);
  }, [typed]);
  return html`<label class="search">
    <span class="visually-hidden">${t("patients.search")}</span>
    <input type="search" value=${typed} placeholder=${t("patients.search")} maxlength="80" onInput=${(event) => setTyped(event.currentTarget.value)} />
  </label>`;
}

await start(App, "clinician");

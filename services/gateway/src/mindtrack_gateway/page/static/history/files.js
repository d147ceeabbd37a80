// What somebody can take along: tables that the API sends as they are, and all FHIR pages as one Bundle.

import { address, get } from "../core/api.js";
import { html, useState } from "../core/html.js";
import { Failure } from "../core/states.js";

const TABLES = ["history", "analyses"];
const OBSERVATIONS = "/v1/users/me/fhir/observations";
const PAGE = 100; // as many as the API gives at a time

export function Files({ t }) {
  return html`<section class="card" aria-labelledby="files">
    <h2 id="files">${t("history.files")}</h2>
    <ul>
      ${TABLES.map(
        (name) => html`<li key=${name}><a href=${`/v1/users/me/${name}.csv`} download>${t(`history.file.${name}`)}</a></li>`,
      )}
    </ul>
    <${Observations} t=${t} />
  </section>`;
}

export function Observations({ t, label = t("history.file.fhir") }) {
  const [state, setState] = useState({ busy: false, error: null, said: "" });
  const send = async () => {
    if (state.busy) return;
    setState({ busy: true, error: null, said: t("history.file.busy") });
    try {
      const bundle = await collect();
      save(bundle, "mindtrack-observations.json");
      setState({ busy: false, error: null, said: t("history.file.done", { count: bundle.entry.length }) });
    } catch (error) {
      setState({ busy: false, error, said: "" });
      if (error.kind === undefined) throw error; // a fault of ours
    }
  };
  return html`<div class="row">
      <button type="button" class="quiet" onClick=${send} aria-disabled=${state.busy}>${label}</button>
      <span class="quiet" role="status">${state.said}</span>
    </div>
    ${state.error?.kind && html`<${Failure} t=${t} error=${state.error} again=${send} />`}`;
}

/** Read every page. A collection has no matches, so what an entry says of the search is left out. */
async function collect() {
  const entry = [];
  let next = address(OBSERVATIONS, { _count: PAGE });
  while (next) {
    const page = await get(next);
    entry.push(...(page.entry ?? []).map(({ fullUrl, resource }) => ({ fullUrl, resource })));
    next = following(page);
  }
  return { resourceType: "Bundle", type: "collection", timestamp: new Date().toISOString(), entry };
}

function following({ link }) {
  const found = link.find(({ relation }) => relation === "next");
  if (!found) return null;
  const { pathname, search } = new URL(found.url, location.origin);
  return pathname + search;
}

function save(content, name) {
  const file = new Blob([JSON.stringify(content, null, 2)], { type: "application/fhir+json" });
  const href = URL.createObjectURL(file);
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // some browsers read it after the click
}

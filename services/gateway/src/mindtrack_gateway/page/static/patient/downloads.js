// Files with what is shared, as the API writes them.

import { html } from "../core/html.js";
import { Loading } from "../core/states.js";
import { of } from "./person.js";

const FILES = [
  { name: "days", path: "history.csv", part: "trends", file: "mindtrack-days.csv" },
  { name: "analyses", path: "analyses.csv", part: "analyses", file: "mindtrack-analyses.csv" },
  { name: "fhir", path: "fhir/observations?_count=100", part: "analyses", file: "mindtrack-observations.json" },
];

export function Downloads({ t, access }) {
  const open = FILES.filter(({ part }) => access.open[part]);
  const known = FILES.every(({ part }) => access.open[part] !== undefined);
  return html`<section class="card no-print" aria-labelledby="downloads-title">
    <h2 id="downloads-title">${t("patient.downloads.title")}</h2>
    ${
      open.length === 0
        ? known
          ? html`<p class="quiet">${t("patient.not-shared")}</p>`
          : html`<${Loading} t=${t} />`
        : html`<p class="quiet">${t("patient.downloads.hint")}</p>
            <ul class="plain row">
              ${open.map(
                ({ name, path, file }) => html`<li key=${name}>
                  <a class="button quiet" href=${of(path)} download=${file} onClick=${access.recheck}>${t(`patient.download.${name}`)}</a>
                </li>`,
              )}
            </ul>`
    }
  </section>`;
}

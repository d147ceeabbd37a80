// What was measured of the voice, with units, and how it compares with the person's own.

import { signed } from "../core/format.js";
import { html } from "../core/html.js";
import { language } from "../core/texts.js";

const DIGITS = 3;
const WRITTEN = new Intl.NumberFormat(language, { maximumSignificantDigits: DIGITS });

export function Biomarkers({ t, biomarkers }) {
  const found = Object.entries(biomarkers ?? {});
  return html`<section class="card" aria-labelledby="biomarkers">
    <h2 id="biomarkers">${t("result.biomarkers")}</h2>
    ${found.length === 0
      ? html`<p class="quiet">${t("result.biomarkers.none")}</p>`
      : html`<p class="quiet">${t("result.biomarkers.what")}</p>
          <details>
            <summary>${t("result.biomarkers.show", { count: found.filter(([, each]) => each.value !== null).length })}</summary>
            <${Table} t=${t} found=${found} />
          </details>`}
  </section>`;
}

const Table = ({ t, found }) => html`<div class="scroll" tabindex="0" role="region" aria-label=${t("result.table", { name: t("result.biomarkers") })}>
  <table>
    <caption class="visually-hidden">${t("result.biomarkers")}</caption>
    <thead>
      <tr>
        <th scope="col">${t("result.measured")}</th>
        <th scope="col" class="number">${t("result.value")}</th>
        <th scope="col">${t("result.unit")}</th>
        <th scope="col">${t("result.beside")}</th>
      </tr>
    </thead>
    <tbody>
      ${found.map(([name, marker]) => html`<tr key=${name}>
        <th scope="row">${t.has(`biomarker.${name}`) ? t(`biomarker.${name}`) : name}</th>
        <td class="number">${marker.value === null ? t("none") : WRITTEN.format(marker.value)}</td>
        <td>${unit(t, marker.unit)}</td>
        <td>${marker.z === null ? t("none") : t("result.z", { z: signed(marker.z), count: marker.n })}</td>
      </tr>`)}
    </tbody>
  </table>
</div>`;

const unit = (t, unit) => (unit === "1" ? t("none") : t.has(`unit.${unit}`) ? t(`unit.${unit}`) : unit);

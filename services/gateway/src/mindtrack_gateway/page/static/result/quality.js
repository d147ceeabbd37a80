// How good the recording is, in numbers and what they mean.

import { number, percent } from "../core/format.js";
import { html } from "../core/html.js";

const NUMBERS = [
  ["speech_seconds", (value) => `${number(value)} s`],
  ["speech_ratio", percent],
  ["snr_db", (value) => `${number(value)} dB`],
  ["level_dbfs", (value) => `${number(value)} dBFS`],
  ["clipping_ratio", percent],
  ["bandwidth_hz", (value) => `${number(Math.round(value))} Hz`],
];

export const Quality = ({ t, quality }) => html`<section class="card" aria-labelledby="quality">
  <h2 id="quality">${t("result.quality")}</h2>
  <p class="quiet">${t("result.quality.what")}</p>
  <div class="scroll" tabindex="0" role="region" aria-label=${t("result.table", { name: t("result.quality") })}>
    <table>
      <caption class="visually-hidden">${t("result.quality")}</caption>
      <thead>
        <tr>
          <th scope="col">${t("result.measured")}</th>
          <th scope="col" class="number">${t("result.value")}</th>
          <th scope="col">${t("result.means")}</th>
        </tr>
      </thead>
      <tbody>
        ${NUMBERS.map(([name, write]) => html`<tr key=${name}>
          <th scope="row">${t(`result.quality.${name}`)}</th>
          <td class="number">${quality[name] === null ? t("none") : write(quality[name])}</td>
          <td class="quiet">${t(`result.quality.${name}.means`)}</td>
        </tr>`)}
      </tbody>
    </table>
  </div>
</section>`;

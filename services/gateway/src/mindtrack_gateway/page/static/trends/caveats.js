// What to know before believing a trend, in the page's language; in the API's words where it has none.

import { html } from "../core/html.js";

export function Caveats({ t, caveats, title = t("trend.caveats") }) {
  if (caveats.length === 0) return null;
  return html`<section>
    <h3>${title}</h3>
    <ul class="caveats">
      ${caveats.map(({ code, sentence }) => html`<li key=${code}>${t.has(`caveat.${code}`) ? t(`caveat.${code}`) : sentence}</li>`)}
    </ul>
  </section>`;
}

// The code of an invitation, which is shown this once.

import { moment } from "../core/format.js";
import { html, useEffect, useRef, useState } from "../core/html.js";

export function Code({ t, invitation, onDone }) {
  const place = useRef(null);
  useEffect(() => place.current.focus(), []);
  return html`<section class="card code" aria-labelledby="code-title">
    <h2 id="code-title" tabindex="-1" ref=${place}>${t("sharing.code.title")}</h2>
    <p class="letters" translate="no">${invitation.code}</p>
    <div class="row">
      <${Copy} t=${t} text=${invitation.code} />
      <button type="button" class="quiet" onClick=${onDone}>${t("sharing.code.done")}</button>
    </div>
    <p>${t("sharing.code.body")}</p>
    <p class="quiet">${t("sharing.code.until", { until: moment(invitation.expires_at) })}</p>
  </section>`;
}

function Copy({ t, text }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid(t("sharing.code.copied"));
    } catch {
      setSaid(t("sharing.code.not-copied")); // refused, or not https
    }
  };
  return html`<button type="button" onClick=${copy}>${t("sharing.code.copy")}</button>
    <span role="status">${said}</span>`;
}

import { html, useState } from "../core/html.js";
import { start } from "../core/start.js";
import { language } from "../core/texts.js";
import { Observations } from "../history/files.js";
import { Erase, Erased } from "../settings/erase.js";
import { Notifications } from "../settings/notifications.js";
import { Webhooks } from "../settings/webhooks.js";

const TABLES = {
  history: "/v1/users/me/history.csv",
  analyses: "/v1/users/me/analyses.csv",
};

function App({ t }) {
  const [erased, setErased] = useState(null);
  if (erased) return html`<${Erased} t=${t} told=${erased} />`;
  const part = (name, content) => html`<section class="card" aria-labelledby=${`part-${name}`}>
    <h2 id=${`part-${name}`} tabindex="-1">${t(`settings.${name}.title`)}</h2>
    ${content}
  </section>`;
  return html`<div class="stack">
    ${part("notifications", html`<${Notifications} t=${t} />`)}
    <div class="columns">
      ${part("language", html`<${Languages} />`)}
      ${part("downloads", html`<${Downloads} t=${t} />`)}
    </div>
    ${part("webhooks", html`<${Webhooks} t=${t} />`)}
    ${part("erase", html`<${Erase} t=${t} onErased=${setErased} />`)}
  </div>`;
}

const Languages = () => html`<ul class="row plain">
  ${[...document.head.querySelectorAll("link[rel=alternate][hreflang]")].map(
    ({ href, hreflang: code, title: name }) => html`<li key=${code}>
      <a class=${code === language ? "button" : "button quiet"} href=${href} lang=${code} hreflang=${code}
        aria-current=${code === language ? "true" : undefined}>${name}</a>
    </li>`,
  )}
</ul>`;

const Downloads = ({ t }) => html`<ul class="plain stack">
  ${Object.entries(TABLES).map(
    ([name, path]) => html`<li key=${name}>
      <a href=${path} download>${t(`settings.download.${name}`)}</a>
      <div class="quiet">${t(`settings.download.${name}.hint`)}</div>
    </li>`,
  )}
  <li>
    <${Observations} t=${t} label=${t("settings.download.fhir")} />
    <div class="quiet">${t("settings.download.fhir.hint")}</div>
  </li>
</ul>`;

await start(App, "person");

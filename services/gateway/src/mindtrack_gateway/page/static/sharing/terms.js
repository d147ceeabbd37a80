// What an invitation or a grant opens, and where it is used.

import { html } from "../core/html.js";

export function Terms({ t, of }) {
  return html`<ul class="row tags">
    ${of.scopes.map((scope) => html`<li key=${scope} class="badge soft">${known(t, "scope", scope)}</li>`)}
    <li class="quiet">${known(t, "context", of.use_context)}</li>
  </ul>`;
}

function known(t, kind, value) {
  const key = `sharing.${kind}.${value}`;
  return t.has(key) ? t(key) : value;
}

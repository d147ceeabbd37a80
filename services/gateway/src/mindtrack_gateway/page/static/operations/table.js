// A table as this page has many of.

import { html } from "../core/html.js";

/** A table with a caption; it scrolls by itself where it is too wide. `heads`: `[text, class?]`. */
export function Table({ caption, hidden = false, heads, rows, empty }) {
  if (rows.length === 0 && empty) return html`<h2>${caption}</h2><p class="quiet">${empty}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class=${hidden ? "visually-hidden" : ""}>${caption}</caption>
      <thead>
        <tr>${heads.map(([text, kind]) => html`<th key=${text} scope="col" class=${kind}>${text}</th>`)}</tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ key, cells }) => html`<tr key=${key}>
            ${cells.map((cell, index) =>
              index === 0 ? html`<th scope="row">${cell}</th>` : html`<td class=${heads[index][1]}>${cell}</td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

// The same as a chart, as a table, which is long: it is made when somebody opens it.

import { html, useState } from "./html.js";

/** `children` is a function that makes the table. */
export function Twin({ t, children }) {
  const [open, setOpen] = useState(false);
  return html`<details onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${t("as-table")}</summary>
    ${open && children()}
  </details>`;
}

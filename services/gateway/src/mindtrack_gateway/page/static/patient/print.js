// What only paper needs: the person's id below their label, and when it was printed.

import { moment } from "../core/format.js";
import { html, useEffect, useRef } from "../core/html.js";
import { personId } from "./person.js";

export function Printed({ t }) {
  const line = useRef(null);
  useEffect(() => {
    // Written at once: what is drawn by a changed state comes after the page was printed.
    const say = () => {
      line.current.textContent = t("patient.printed", { moment: moment(new Date()) });
    };
    addEventListener("beforeprint", say);
    return () => removeEventListener("beforeprint", say);
  }, [t]);
  return html`<div class="print-only printed">
    <p>${personId}</p>
    <p ref=${line}></p>
  </div>`;
}

// A question over the page that waits for an answer. Escape is a no; focus goes back to where it was.

import { html, useEffect, useRef } from "./html.js";

/** `onClose` is called when it was closed by keyboard. Shown as long as it is rendered. */
export function Dialog({ title, id, onClose, children }) {
  const place = useRef(null);
  useEffect(() => {
    const dialog = place.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog ref=${place} aria-labelledby=${id} onCancel=${cancel}>
    <h2 id=${id}>${title}</h2>
    ${children}
  </dialog>`;
}

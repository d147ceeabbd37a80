// A list that comes in pages, as far as somebody asked for.

import { address, get } from "./api.js";
import { html, useState } from "./html.js";
import { Failure, Loaded, useLoaded } from "./states.js";
import { useSending } from "./sending.js";

/** Read a list's first page, and further ones on demand. `inputs` begin it afresh. */
export function usePaged(path, query, inputs = []) {
  const first = useLoaded((signal) => get(address(path, query), { signal }), inputs);
  const [later, setLater] = useState({ of: null, pages: [] });
  const sending = useSending();
  // Pages of a list that is not shown any more may still come.
  const pages = later.of === first.value ? later.pages : [];
  const last = pages.at(-1) ?? first.value;
  const next = async () => {
    const page = await sending.run(() => get(address(path, { ...query, cursor: last.next_cursor })));
    if (page) setLater({ of: first.value, pages: [...pages, page] });
  };
  const items = first.value === null ? [] : [first.value, ...pages].flatMap((page) => page.items);
  return { first, items, next, sending, goesOn: Boolean(last?.next_cursor) };
}

/** `children` is a function of the items; `empty` is said where there are none. */
export function Paged({ t, from, empty, children }) {
  return html`<${Loaded} t=${t} from=${from.first}>
    ${() => html`${from.items.length === 0 ? html`<p class="quiet">${empty}</p>` : children(from.items)}
      ${from.sending.error && html`<${Failure} t=${t} error=${from.sending.error} />`}
      ${from.goesOn &&
      html`<p>
        <button type="button" class="quiet" disabled=${from.sending.busy} onClick=${from.next}>${t("more")}</button>
      </p>`}`}
  <//>`;
}

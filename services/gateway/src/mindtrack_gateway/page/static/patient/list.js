// A list that grows by pages, newest first.

import { address, get } from "../core/api.js";
import { html, useCallback, useEffect, useState } from "../core/html.js";
import { Failure } from "../core/states.js";
import { attempt, closed, useShared } from "./access.js";

/** Returns the first page as `useLoaded` does, and beside it all `items` so far and how to get more. */
export function useList(access, part, path, query = {}) {
  const first = address(path, query);
  const from = useShared(access, part, (signal) => get(first, { signal }), [first]);
  const [further, setFurther] = useState({ items: [], cursor: null, error: null, busy: false });
  useEffect(() => {
    if (from.value) setFurther({ items: [], cursor: from.value.next_cursor, error: null, busy: false });
  }, [from.value]);
  const more = useCallback(async () => {
    setFurther((former) => ({ ...former, busy: true, error: null }));
    const page = await attempt(
      access,
      () => get(address(path, { ...query, cursor: further.cursor })),
      (error) => setFurther((former) => ({ ...former, error, busy: false })),
    );
    if (page === undefined) return;
    setFurther(({ items }) => ({ items: [...items, ...page.items], cursor: page.next_cursor, error: null, busy: false }));
  }, [first, further.cursor]);
  return { from, items: closed(from.error) ? [] : [...(from.value?.items ?? []), ...further.items], further, more };
}

export function More({ t, list }) {
  const { further, more } = list;
  return html`
    ${further.error && html`<${Failure} t=${t} error=${further.error} />`}
    ${
      further.cursor &&
      html`<p><button type="button" class="quiet" disabled=${further.busy} onClick=${more}>${t("more")}</button></p>`
    }
  `;
}

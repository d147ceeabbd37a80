// What the person shares. Each part's request finds out for itself; a grant may end at any moment.

import { html, useEffect, useMemo, useReducer } from "../core/html.js";
import { Loaded, useLoaded } from "../core/states.js";

const PARTS = ["trends", "alerts", "analyses", "notes"];

export const closed = (error) => error?.kind === "not-found";

/** `turn` grows when something that was open has closed: then all parts ask again. */
function reduce(state, { part, open }) {
  if (part === undefined) return { ...state, turn: state.turn + 1 };
  if (state.open[part] === open) return state;
  const lost = state.open[part] === true && !open;
  return { open: { ...state.open, [part]: open }, turn: state.turn + (lost ? 1 : 0) };
}

/** Returns `{ turn, open, gone, report, recheck }`; `gone` once no part is open. */
export function useAccess() {
  const [state, tell] = useReducer(reduce, { open: {}, turn: 0 });
  const acts = useMemo(
    () => ({
      report: (part, open) => tell({ part, open }),
      recheck: () => tell({}),
    }),
    [],
  );
  return { ...state, gone: PARTS.every((part) => state.open[part] === false), ...acts };
}

/** `useLoaded` for a part of the page, which tells whether that part is open. */
export function useShared(access, part, load, inputs) {
  const from = useLoaded(load, [...inputs, access.turn]);
  useEffect(() => {
    if (from.loading) return;
    if (closed(from.error)) access.report(part, false);
    else if (from.error === null) access.report(part, true);
  }, [from]);
  return from;
}

/** A part of the page: its heading, and what it shows or why it does not. */
export function Part({ t, name, from, extra, className = "", children }) {
  return html`<section class="card ${className}" aria-labelledby="${name}-title" aria-busy=${from.loading}>
    <h2 id="${name}-title">${t(`patient.${name}.title`)}</h2>
    ${
      closed(from.error)
        ? html`<p class="quiet">${t("patient.not-shared")}</p>`
        : html`${extra}<${Loaded} t=${t} from=${from}>${children}<//>`
    }
  </section>`;
}

/** Do something that the person may have closed meanwhile; what went wrong otherwise is the caller's to tell. */
export async function attempt(access, act, fail) {
  try {
    return await act();
  } catch (error) {
    if (error.kind === undefined) throw error;
    if (closed(error)) access.recheck();
    else fail(error);
    return undefined;
  }
}

export const Gone = ({ t }) => html`<div class="notice" role="status">
  <h2>${t("patient.gone.title")}</h2>
  <p>${t("patient.gone.body")}</p>
  <p><a class="button" href="/patients">${t("patient.back")}</a></p>
</div>`;

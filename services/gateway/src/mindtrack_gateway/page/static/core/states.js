// What a part of a page looks like before, and instead of, its content.

import { html, useCallback, useEffect, useState } from "./html.js";

export const Loading = ({ t }) => html`<p class="quiet" role="status">${t("loading")}</p>`;

/** Say in plain words what went wrong, and offer to try again. */
export function Failure({ t, error, again }) {
  if (error.kind === "session-over") return null; // the dialog says it
  return html`<div class="notice warn" role="alert">
    <p>${reason(t, error)}</p>
    ${again && html`<button type="button" onClick=${again}>${t("again")}</button>`}
  </div>`;
}

export function reason(t, error) {
  if (error.kind === "slow-down") return t("slow-down", { seconds: error.seconds });
  if (error.kind === "refused") return t("refused", { detail: detail(error.problem) });
  return t(error.kind ?? "unavailable");
}

const detail = (problem) =>
  (problem.errors ?? []).map((each) => each.detail).join("; ") || problem.detail || problem.title || problem.status;

/**
 * Load something when a part appears, and whenever one of `inputs` changes.
 * Returns `{ value, error, loading, again }`; the former value stays while the next one is on its way.
 */
export function useLoaded(load, inputs) {
  const [state, setState] = useState({ value: null, error: null, loading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    setState((former) => ({ ...former, loading: true }));
    load(controller.signal).then(
      (value) => setState({ value, error: null, loading: false }),
      (error) => {
        if (controller.signal.aborted) return;
        if (error.kind === undefined) throw error; // a fault of ours
        setState((former) => ({ ...former, error, loading: false }));
      },
    );
    return () => controller.abort();
  }, [...inputs, turn]);
  const again = useCallback(() => setTurn((former) => former + 1), []);
  return { ...state, again };
}

/**
 * Show what was loaded, or why it was not. `children` is a function of the value. They stay where it could not be
 * loaded anew, with what was typed into them, unless it is not there any more.
 */
export function Loaded({ t, from, children }) {
  const failure = from.error && html`<${Failure} t=${t} error=${from.error} again=${from.again} />`;
  if (from.value === null || from.error?.kind === "not-found") return failure ?? html`<${Loading} t=${t} />`;
  return html`${failure}${children(from.value)}`;
}

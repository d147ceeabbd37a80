// Something that is sent once, when somebody asks for it.

import { useCallback, useState } from "./html.js";

/** Returns `{ busy, error, run, clear }`. `run(send)` gives what came back, or undefined if it failed. */
export function useSending() {
  const [state, setState] = useState({ busy: false, error: null });
  const run = useCallback(async (send) => {
    setState({ busy: true, error: null });
    try {
      const value = await send();
      setState({ busy: false, error: null });
      return value;
    } catch (error) {
      setState({ busy: false, error: error.kind === undefined ? null : error });
      if (error.kind === undefined) throw error; // a fault of ours
      return undefined;
    }
  }, []);
  const clear = useCallback(() => setState({ busy: false, error: null }), []);
  return { ...state, run, clear };
}

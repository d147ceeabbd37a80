// A recording lives in this page alone until it is sent: leaving asks first.

import { useEffect } from "../core/html.js";

export function useUnsent() {
  useEffect(() => {
    const warn = (event) => {
      event.preventDefault();
      event.returnValue = "";
    };
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, []);
}

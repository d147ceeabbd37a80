// How every page begins: its texts, its app, and what happens when a script breaks.

import { html, render } from "./html.js";
import { texts } from "./texts.js";
import "./session.js";

const fault = document.getElementById("fault");

function broken(event) {
  // An interrupted request is the visitor's doing, a failed one is told where it was made.
  if (event.reason?.name === "AbortError") return;
  // Nor is it one if an observer hears of a size a frame later, as on the way to paper.
  if (event.message?.startsWith("ResizeObserver loop")) return;
  fault.hidden = false;
}

addEventListener("error", broken);
addEventListener("unhandledrejection", broken);
document.getElementById("reload").addEventListener("click", () => location.reload());

/** Draw an app into the page. It gets `t`, the texts of `common` and of an area. */
export async function start(App, area) {
  const t = await texts("common", area);
  const place = document.getElementById("page");
  place.replaceChildren();
  render(html`<${App} t=${t} />`, place);
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
}

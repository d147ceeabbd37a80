// The session as every page has it: its end is noticed, and it can be ended.

import { texts } from "./texts.js";

const here = () => location.pathname + location.search;

export const signIn = () => `/session/sign-in?to=${encodeURIComponent(here())}`;

/** Say once that the session is over; what was typed or recorded stays on the page behind the dialog. */
async function sessionOver() {
  const t = await texts("common");
  const dialog = document.createElement("dialog");
  dialog.id = "session-over";
  dialog.setAttribute("aria-labelledby", "session-over-title");
  const title = Object.assign(document.createElement("h2"), {
    id: "session-over-title",
    textContent: t("session-over.title"),
  });
  const body = Object.assign(document.createElement("p"), { textContent: t("session-over.body") });
  const link = Object.assign(document.createElement("a"), {
    className: "button",
    href: signIn(),
    textContent: t("sign-in"),
  });
  dialog.append(title, body, link);
  document.body.append(dialog);
  dialog.showModal();
}

async function signOut() {
  const answer = await fetch("/session/sign-out", { method: "POST", headers: { Accept: "application/json" } });
  const told = answer.ok ? await answer.json() : {};
  location.assign(told.location ?? "/");
}

document.addEventListener("session-over", sessionOver, { once: true });
document.getElementById("sign-out")?.addEventListener("click", signOut);

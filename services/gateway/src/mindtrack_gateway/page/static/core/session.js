// The session as every page has it: its end is noticed, and it can be ended.

import { texts } from "./texts.js";

const here = () => location.pathname + location.search;

export const signIn = () => `/session/sign-in?to=${encodeURIComponent(here())}`;

let told = false;

/** Say that the session is over. What was typed stays on the page behind: signing in goes on beside it. */
async function sessionOver() {
  if (told) return;
  told = true;
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
    target: "_blank",
    rel: "noopener",
    textContent: t("session-over.sign-in"),
  });
  const close = Object.assign(document.createElement("button"), {
    type: "button",
    className: "quiet",
    textContent: t("session-over.back"),
    onclick: () => dialog.close(),
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    told = false;
  });
  const row = Object.assign(document.createElement("p"), { className: "row" });
  row.append(link, close);
  dialog.append(title, body, row);
  document.body.append(dialog);
  dialog.showModal();
}

async function signOut() {
  const button = document.getElementById("sign-out");
  try {
    const answer = await fetch("/session/sign-out", { method: "POST", headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    location.assign((await answer.json()).location ?? "/");
  } catch {
    // Whoever leaves a shared machine has to know.
    const t = await texts("common");
    document.getElementById("sign-out-failed")?.remove();
    button.after(Object.assign(document.createElement("span"), {
      id: "sign-out-failed",
      role: "alert",
      textContent: t("sign-out.failed"),
    }));
  }
}

document.addEventListener("session-over", sessionOver);
document.getElementById("sign-out")?.addEventListener("click", signOut);

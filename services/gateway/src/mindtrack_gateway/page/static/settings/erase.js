// Deleting everything: asked for in words, told by numbers.

import { remove } from "../core/api.js";
import { Dialog } from "../core/dialog.js";
import { moment, number } from "../core/format.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
import { useSending } from "../core/sending.js";
import { Failure } from "../core/states.js";

/** What the API wants to hear, in any language. */
const WORDS = "erase everything";
/** Milliseconds: thousands of recordings take minutes. */
const PATIENCE = 600_000;

export function Erase({ t, onErased }) {
  const [asking, setAsking] = useState(false);
  return html`<p>${t("settings.erase.body")}</p>
    <p><button type="button" class="danger" onClick=${() => setAsking(true)}>${t("settings.erase")}</button></p>
    ${asking && html`<${Ask} t=${t} onClose=${() => setAsking(false)} onErased=${onErased} />`}`;
}

function Ask({ t, onClose, onErased }) {
  const [typed, setTyped] = useState("");
  const sending = useSending();
  const words = t("settings.erase.words");
  const meant = plain(typed) === plain(words);
  const close = () => sending.busy || onClose();
  const erase = async (event) => {
    event.preventDefault();
    if (!meant || sending.busy) return;
    const told = await sending.run(() => remove("/v1/users/me", { confirm: WORDS }, { milliseconds: PATIENCE }));
    if (told) onErased(told);
  };
  return html`<${Dialog} title=${t("settings.erase.title")} id="erase-title" onClose=${close}>
    <form class="stack" onSubmit=${erase}>
      <p>${t("settings.erase.warning")}</p>
      <div>
        <label for="erase-words">${t("settings.erase.type", { words })}</label>
        <input id="erase-words" autocomplete="off" autocapitalize="off" spellcheck=${false} value=${typed}
          onInput=${(event) => setTyped(event.target.value)} />
      </div>
      ${sending.busy && html`<p role="status">${t("settings.erase.busy")}</p>`}
      ${sending.error && html`<${Failure} t=${t} error=${sending.error} />`}
      <div class="row">
        <button type="button" class="quiet" disabled=${sending.busy} onClick=${close}>${t("cancel")}</button>
        <button type="submit" class="danger" disabled=${!meant || sending.busy}>${t("settings.erase.now")}</button>
      </div>
    </form>
  <//>`;
}

const plain = (text) => text.trim().replace(/\s+/g, " ").toLowerCase();

/** What was removed, with the receipt. */
export function Erased({ t, told }) {
  const place = useRef(null);
  useEffect(() => place.current.focus(), []);
  const removed = Object.entries(told.removed).filter(([, count]) => count > 0);
  return html`<section class="card" aria-labelledby="erased-title">
    <h2 id="erased-title" tabindex="-1" ref=${place}>${t("settings.erased.title")}</h2>
    <p>${t("settings.erased.at", { at: moment(told.erased_at) })}</p>
    ${removed.length === 0
      ? html`<p>${t("settings.erased.nothing")}</p>`
      : html`<table class="removed">
          <caption>${t("settings.erased.removed")}</caption>
          <tbody>
            ${removed.map(
              ([name, count]) => html`<tr key=${name}>
                <th scope="row">${kind(t, name)}</th>
                <td class="number">${number(count)}</td>
              </tr>`,
            )}
          </tbody>
        </table>`}
    ${told.audio_left > 0 && html`<p class="notice">${t("settings.erased.left", { count: told.audio_left, number: number(told.audio_left) })}</p>`}
    <p>${t("settings.erased.receipt")} <code class="address">${told.receipt_id}</code></p>
    <p><button type="button" onClick=${() => document.getElementById("sign-out").click()}>${t("sign-out")}</button></p>
  </section>`;
}

function kind(t, name) {
  const key = `settings.erased.${name}`;
  return t.has(key) ? t(key) : name;
}

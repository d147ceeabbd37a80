// Before it is sent: listen, throw away, send; and when sending fails, send again.

import { ApiError } from "../core/api.js";
import { moment, percent, seconds } from "../core/format.js";
import { html, useEffect, useMemo, useRef, useState } from "../core/html.js";
import { signIn } from "../core/session.js";
import { reason } from "../core/states.js";
import { useUnsent } from "./unsent.js";
import { send } from "./upload.js";

export function Review({ t, recording, accepted, discard }) {
  const [progress, setProgress] = useState(null);
  const [error, setError] = useState(null);
  const heading = useRef(null);
  const sending = useRef(null);
  useEffect(() => heading.current.focus(), []);
  useEffect(() => () => sending.current?.abort(), []);
  useUnsent();

  const submit = async () => {
    const controller = new AbortController();
    sending.current = controller;
    setError(null);
    setProgress(0);
    try {
      accepted(await send(recording, setProgress, controller.signal));
    } catch (failed) {
      if (!(failed instanceof ApiError)) throw failed;
      if (controller.signal.aborted) return;
      setError(failed);
      setProgress(null);
    }
  };
  const busy = progress !== null;
  return html`<div class="stack">
    <h2 id="prompt" tabindex="-1" ref=${heading}>${t("home.review")}</h2>
    <${Facts} t=${t} recording=${recording} />
    <${Playback} t=${t} blob=${recording.blob} />
    ${recording.verdict !== "good" && html`<p class="notice warn" role="status">${t(`home.verdict.${recording.verdict}`)}</p>`}
    ${error && html`<${Unsent} t=${t} error=${error} />`}
    ${busy && html`<${Progress} t=${t} share=${progress} />`}
    <div class="row">
      <button type="button" onClick=${submit} disabled=${busy}>${t(error ? "home.send-again" : "home.send")}</button>
      <button type="button" class="quiet" onClick=${discard} disabled=${busy}>${t("home.discard")}</button>
    </div>
    <p class="quiet">${t("home.send.meaning")}</p>
  </div>`;
}

function Facts({ t, recording }) {
  if (recording.seconds !== null) return html`<p>${t("home.length", { length: seconds(recording.seconds) })}</p>`;
  const { name } = recording.blob;
  return html`<p>${t("home.file.chosen", { name, moment: moment(recording.fields.recorded_at) })}</p>`;
}

function Playback({ t, blob }) {
  const [mute, setMute] = useState(false);
  const address = useMemo(() => URL.createObjectURL(blob), [blob]);
  useEffect(() => () => URL.revokeObjectURL(address), [address]);
  if (mute) return html`<p class="quiet">${t("home.unplayable")}</p>`;
  return html`<audio controls preload="metadata" src=${address} aria-label=${t("home.listen")} onError=${() => setMute(true)}></audio>`;
}

function Progress({ t, share }) {
  const told = share < 1 ? t("home.sending", { share: percent(share) }) : t("home.receiving");
  return html`<div>
    <label for="sending" aria-live="polite">${t(share < 1 ? "home.sending.label" : "home.receiving")}</label>
    <progress id="sending" max="1" value=${share}>${told}</progress>
    ${share < 1 && html`<p class="quiet">${told}</p>`}
  </div>`;
}

/** Signing in happens beside this page: what was recorded lives in it alone. */
function Unsent({ t, error }) {
  const over = error.kind === "session-over";
  return html`<div class="notice warn" role="alert">
    <p>${over ? t("home.session-over") : reason(t, error)}</p>
    <p>${t("home.kept")}</p>
    ${over && html`<p><a class="button quiet" href=${signIn()} target="_blank" rel="noopener">${t("home.sign-in-beside")}</a></p>`}
  </div>`;
}

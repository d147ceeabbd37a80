// From the question to the accepted job, as one card that is in one state at a time.

import { html, useCallback, useEffect, useRef, useState } from "../core/html.js";
import { Live } from "../jobs/live.js";
import { Choose } from "./choose.js";
import { MicrophoneError, obstacle, openMicrophone } from "./microphone.js";
import { Listening } from "./listening.js";
import { Obstacle } from "./obstacle.js";
import { usePrompt } from "./prompts.js";
import { Review } from "./review.js";
import { fromFile, Take } from "./take.js";

/** `ended` is called once the job has ended, when trends may have changed. */
export function Recorder({ t, ended }) {
  const [state, setState] = useState({ name: "ready" });
  const [prompt, another] = usePrompt();
  const moved = useRef(false);
  const to = useCallback((next) => {
    moved.current = true;
    setState(next);
  }, []);
  useEffect(() => () => state.take?.discard(), [state.take]);

  const record = async () => {
    to({ name: "opening" });
    try {
      to({ name: "recording", take: new Take(await openMicrophone()) });
    } catch (error) {
      if (!(error instanceof MicrophoneError)) {
        to({ name: "ready" });
        throw error;
      }
      to({ name: "hindered", kind: error.kind });
    }
  };
  const choose = (file) => to({ name: "review", recording: fromFile(file) });
  const again = () => to({ name: "ready" });

  return html`<section class="card recorder" aria-labelledby="prompt" aria-busy=${state.name === "opening"}>
    ${["ready", "opening", "hindered", "recording"].includes(state.name) &&
    html`<p class="quiet">${t("home.question")}</p>
      <h2 id="prompt" class="prompt">${t(prompt)}</h2>`}
    ${["ready", "opening", "hindered"].includes(state.name) &&
    html`<${Ready} t=${t} state=${state} focus=${moved.current} record=${record} another=${another} choose=${choose} />`}
    ${state.name === "recording" &&
    html`<${Listening}
      t=${t}
      take=${state.take}
      done=${(recording) => to({ name: "review", recording })}
      discard=${again}
    />`}
    ${state.name === "review" &&
    html`<${Review}
      t=${t}
      recording=${state.recording}
      accepted=${(job) => to({ name: "accepted", job })}
      discard=${again}
    />`}
    ${state.name === "accepted" &&
    html`<h2 id="prompt" class="visually-hidden">${t("home.sent")}</h2>
      <${Live} t=${t} id=${state.job.id} known=${state.job} ended=${ended} again=${again} />`}
  </section>`;
}

function Ready({ t, state, focus, record, another, choose }) {
  const button = useRef(null);
  const hindrance = state.name === "hindered" ? state.kind : obstacle();
  const never = hindrance === "unsupported" || hindrance === "insecure";
  useEffect(() => {
    if (focus && state.name === "ready") button.current?.focus();
  }, []);
  return html`<div class="stack">
    <p><button type="button" class="quiet" onClick=${another} disabled=${state.name === "opening"}>${t("home.another")}</button></p>
    ${hindrance && html`<${Obstacle} t=${t} kind=${hindrance} />`}
    ${!never &&
    html`<div class="centre">
      <button type="button" class="record" ref=${button} onClick=${record} disabled=${state.name === "opening"}>
        <span class="dot" aria-hidden="true"></span>${t(state.name === "opening" ? "home.opening" : hindrance ? "home.record-again" : "home.record")}
      </button>
      <p class="quiet">${t("home.how")}</p>
    </div>`}
    <${Choose} t=${t} choose=${choose} />
  </div>`;
}

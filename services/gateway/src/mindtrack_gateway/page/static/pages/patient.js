import { address, get } from "../core/api.js";
import { html, useEffect } from "../core/html.js";
import { start } from "../core/start.js";
import { useLoaded } from "../core/states.js";
import { Gone, useAccess } from "../patient/access.js";
import { AlertsPart } from "../patient/alerts.js";
import { Downloads } from "../patient/downloads.js";
import { useList } from "../patient/list.js";
import { NotesPart } from "../patient/notes.js";
import { of, personId, possible } from "../patient/person.js";
import { RecordingsPart } from "../patient/recordings.js";
import { TrendPart } from "../patient/trend.js";

/** The clinician's own word for the person, or null. */
async function findLabel() {
  const { items } = await get(address("/v1/patients", { search: personId }));
  return items.find((patient) => patient.user_id === personId)?.label ?? null;
}

function App({ t }) {
  const access = useAccess();
  if (access.gone || !possible) return html`<${Untitled} t=${t} /><${Gone} t=${t} />`;
  return html`<${Patient} t=${t} access=${access} />`;
}

function Patient({ t, access }) {
  const label = useLoaded(findLabel, []).value;
  const alerts = useList(access, "alerts", of("alerts"));
  useHeading(label ?? t("patient.title"));
  return html`<div class="stack patient">
    <p class="row top no-print"><a href="/patients">← ${t("patient.back")}</a> <code>${personId}</code></p>
    <${TrendPart} t=${t} access=${access} alerts=${alerts.items} />
    <div class="stack no-print">
      <${AlertsPart} t=${t} access=${access} list=${alerts} />
      <${NotesPart} t=${t} access=${access} />
      <${RecordingsPart} t=${t} access=${access} />
      <${Downloads} t=${t} access=${access} />
    </div>
  </div>`;
}

function Untitled({ t }) {
  useHeading(t("patient.title"));
  return null;
}

/** The page's heading and title are the server's, which knows no label. */
function useHeading(text) {
  useEffect(() => {
    document.querySelector("main > h1").textContent = text;
    document.title = `${text} · MindTrack`;
  }, [text]);
}

await start(App, "clinician");

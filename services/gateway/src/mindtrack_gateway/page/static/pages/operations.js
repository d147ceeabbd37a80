// What waits, how quickly it is worked off, and who does it; looked at every few seconds while somebody does.

import { html } from "../core/html.js";
import { start } from "../core/start.js";
import { Failure, Loading } from "../core/states.js";
import { Lane, Throughput } from "../operations/lanes.js";
import { useLooks } from "../operations/looks.js";
import { Processes, Workers } from "../operations/processes.js";
import { Incidents, State } from "../operations/state.js";
import { Backlogs, Ended, Requests } from "../operations/tallies.js";

function App({ t }) {
  const { seen, at, error, looks, again } = useLooks();
  if (error?.status === 403) return html`<p class="notice warn" role="alert">${t("operations.not-operator")}</p>`;
  if (seen === null) {
    return error ? html`<${Failure} t=${t} error=${error} again=${again} />` : html`<${Loading} t=${t} />`;
  }
  return html`<div class="stack operations">
    <${State} t=${t} seen=${seen} error=${error} at=${at} again=${again} />
    <${Incidents} t=${t} seen=${seen} />
    <div class="columns">${seen.lanes.map((lane) => html`<${Lane} key=${lane.priority} t=${t} lane=${lane} window=${seen.window_seconds} />`)}</div>
    <${Throughput} t=${t} looks=${looks} />
    <${Workers} t=${t} workers=${seen.workers} />
    <div class="columns">
      <${Backlogs} t=${t} backlogs=${seen.backlogs} />
      <${Processes} t=${t} processes=${seen.processes} />
    </div>
    <div class="columns">
      <${Ended} t=${t} seen=${seen} />
      <${Requests} t=${t} seen=${seen} />
    </div>
  </div>`;
}

await start(App, "operator");

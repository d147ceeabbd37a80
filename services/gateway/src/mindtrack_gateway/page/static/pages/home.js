import { html, useCallback, useState } from "../core/html.js";
import { start } from "../core/start.js";
import { Recorder } from "../record/recorder.js";
import { Today } from "../record/today.js";

function App({ t }) {
  const [turn, setTurn] = useState(0);
  const ended = useCallback(() => setTurn((former) => former + 1), []);
  return html`<div class="home">
    <${Recorder} t=${t} ended=${ended} />
    <${Today} t=${t} turn=${turn} />
  </div>`;
}

await start(App, "person");

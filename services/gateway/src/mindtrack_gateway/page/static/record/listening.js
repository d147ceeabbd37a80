// While it records: how long, how loud, and when it may end.

import { number, seconds as duration } from "../core/format.js";
import { html, useEffect, useRef, useState } from "../core/html.js";
import { Meter } from "./meter.js";
import { LONGEST, SHORTEST } from "./take.js";
import { useUnsent } from "./unsent.js";

export function Listening({ t, take, done, discard }) {
  const [count, setCount] = useState(0);
  const [running, setRunning] = useState(false);
  const [lost, setLost] = useState(false);
  const ending = useRef(false);
  const heading = useRef(null);
  const end = async () => {
    if (ending.current) return;
    ending.current = true;
    done(await take.end());
  };
  const seconds = running ? take.seconds : 0;
  const advice = take.level.live();
  useUnsent();

  useEffect(() => {
    take.begin(() => setCount((former) => former + 1), () => setLost(true)).then(() => setRunning(true));
  }, []);
  useEffect(() => {
    if (!running) return;
    heading.current.focus();
    requestAnimationFrame(() => take.invited());
  }, [running]);
  useEffect(() => {
    if (seconds >= LONGEST) end();
    else if (lost && seconds >= SHORTEST) end();
    else if (lost) discard();
  }, [count, lost]);

  const missing = Math.ceil(SHORTEST - seconds);
  return html`<div class="stack listening">
    <p class="figure listening-now" tabindex="-1" ref=${heading}>
      <span class="dot" aria-hidden="true"></span>${t(running ? "home.listening" : "home.opening")}
    </p>
    <${Meter} t=${t} levels=${take.level.levels} count=${count} advice=${advice} />
    <p class="elapsed" role="timer" aria-label=${t("home.elapsed")}>
      ${t("home.elapsed.of", { seconds: number(Math.floor(seconds)), most: duration(LONGEST) })}
    </p>
    <p class="advice" aria-live="polite">${t(`home.live.${advice}`)}</p>
    <div class="row centre-row">
      <button type="button" onClick=${end} disabled=${!running || missing > 0}>
        ${missing > 0 ? t("home.stop-in", { count: missing }) : t("home.stop")}
      </button>
      <button type="button" class="quiet" onClick=${discard}>${t("home.discard")}</button>
    </div>
  </div>`;
}

// A job until it has ended: by its stream, and by asking where streams do not get through.

import { get } from "../core/api.js";

const ENDED = new Set(["succeeded", "rejected", "failed", "canceled"]);
/** A stream that fails so often in a row, a proxy does not let through. */
const PATIENCE = 2;
/** A stream tells of the job and not of those before it, and some proxies hold it back. Milliseconds. */
const LOOK_EVERY = 5000;
const WAIT = 20; // seconds
const LONGEST_PAUSE = 30; // seconds

export const hasEnded = (job) => ENDED.has(job.status);

/** `told`: `job(job)`, `gone(error)` and `trouble(error)`, which is null once it has passed. */
export function follow(id, told, signal) {
  const path = `/v1/jobs/${id}`;
  const source = new EventSource(`${path}/events`);
  let failures = 0;
  let heard = 0;
  const close = () => {
    source.close();
    clearInterval(looks);
  };
  const poll = () => {
    close();
    if (!signal.aborted) ask(path, told, signal);
  };
  const tell = (job) => {
    told.trouble(null);
    told.job(job);
    if (hasEnded(job)) close();
  };
  const looks = setInterval(async () => {
    const before = heard;
    const job = await get(path, { signal }).catch(() => null); // the stream notices what is wrong
    if (job && heard === before && !signal.aborted) tell(job);
  }, LOOK_EVERY);
  signal.addEventListener("abort", close, { once: true });
  source.addEventListener("job", ({ data }) => {
    failures = 0;
    heard += 1;
    tell(JSON.parse(data));
  });
  source.addEventListener("deleted", poll); // it is told what became of it
  source.addEventListener("error", () => {
    failures += 1;
    if (source.readyState === EventSource.CLOSED || failures >= PATIENCE) poll();
  });
}

async function ask(path, told, signal) {
  let pause = 1;
  while (!signal.aborted) {
    try {
      const job = await get(path, { signal, headers: { Prefer: `wait=${WAIT}` } });
      told.trouble(null);
      told.job(job);
      if (hasEnded(job)) return;
      pause = 1;
    } catch (error) {
      if (signal.aborted) return;
      if (error.kind === undefined) throw error;
      if (error.kind === "not-found") return told.gone(error);
      if (error.kind === "session-over") return;
      told.trouble(error);
      pause = Math.min(LONGEST_PAUSE, error.seconds ?? 2 * pause);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
  }
}

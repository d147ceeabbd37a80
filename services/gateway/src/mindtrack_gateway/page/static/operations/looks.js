// What was seen of queues and workers, look after look.

import { get } from "../core/api.js";
import { useCallback, useEffect, useState } from "../core/html.js";

const EVERY = 5_000; // milliseconds
/** As many looks and a few more: others may look, too. */
const KEPT = 240;
/** Answers after which asking again changes nothing. */
const OVER = new Set([401, 403]);

/** Look again and again while the page is seen. What was seen last stays when a look fails. */
export function useLooks() {
  const [state, setState] = useState({ seen: null, at: null, error: null, looks: [] });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    let timer = null;
    async function look() {
      timer = null;
      const next = await answer(controller.signal);
      if (controller.signal.aborted) return;
      setState((former) => after(former, next));
      if (!OVER.has(next.error?.status) && !document.hidden) {
        timer = setTimeout(look, Math.max(EVERY, (next.error?.seconds ?? 0) * 1000));
      }
    }
    const turned = () => {
      clearTimeout(timer);
      timer = null;
      if (!document.hidden) setTurn((former) => former + 1);
    };
    look();
    document.addEventListener("visibilitychange", turned);
    return () => {
      document.removeEventListener("visibilitychange", turned);
      clearTimeout(timer);
      controller.abort();
    };
  }, [turn]);
  const again = useCallback(() => setTurn((former) => former + 1), []);
  return { ...state, again };
}

async function answer(signal) {
  try {
    return { seen: await get("/v1/operations", { signal }), error: null };
  } catch (error) {
    if (error.kind === undefined && !signal.aborted) throw error; // a fault of ours
    return { seen: null, error };
  }
}

function after(former, { seen, error }) {
  if (error) return { ...former, error };
  const last = former.looks.at(-1);
  const looks = last?.observed_at === seen.observed_at ? former.looks : [...former.looks, seen].slice(-KEPT);
  return { seen, at: Date.now(), error: null, looks };
}

/** Per second and lane, from each look and the one before; null where they cannot be compared. */
export function throughput(looks) {
  const found = { times: [], lanes: {} };
  const names = looks.at(-1)?.lanes.map((lane) => lane.priority) ?? [];
  for (const name of names) found.lanes[name] = [];
  for (const [index, look] of looks.entries()) {
    const before = looks[index - 1];
    if (before === undefined) continue;
    const passed = (Date.parse(look.observed_at) - Date.parse(before.observed_at)) / 1000;
    if (passed <= 0) continue;
    found.times.push(Date.parse(look.observed_at) / 1000);
    for (const name of names) {
      const rise = total(look, name) - total(before, name);
      // Another gateway, or one that was started again, counts from elsewhere; a long pause says nothing of now.
      const comparable = look.counted_since === before.counted_since && rise >= 0 && passed < 60;
      found.lanes[name].push(comparable ? rise / passed : null);
    }
  }
  return found;
}

const total = (look, name) => look.lanes.find((lane) => lane.priority === name).processed_audio_seconds;

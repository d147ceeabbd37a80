// Which measure and period are looked at. They are kept in the address, so that a link shows the same.

import { useCallback, useState } from "../core/html.js";

export const PERIODS = [30, 90, 365, 731]; // days
export const MEASURES = [
  "stress_score",
  "anxiety_index",
  "depressive_index",
  "baseline_index",
  "f0_median_hz",
  "pause_mean_seconds",
  "pause_ratio",
  "speech_rate_per_second",
  "articulation_rate_per_second",
  "response_latency_seconds",
];
const USUAL = { days: 90, measure: MEASURES[0] };

function read() {
  const query = new URLSearchParams(location.search);
  const days = Number(query.get("days"));
  const measure = query.get("measure");
  return {
    days: PERIODS.includes(days) ? days : USUAL.days,
    measure: MEASURES.includes(measure) ? measure : USUAL.measure,
  };
}

function write(choice) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(choice)) query.set(name, value);
  history.replaceState(history.state, "", `${location.pathname}?${query}${location.hash}`);
}

/** Return the choice, and a function that changes some of it. */
export function useChoice() {
  const [choice, setChoice] = useState(read);
  const choose = useCallback((some) => {
    setChoice((former) => {
      const next = { ...former, ...some };
      write(next);
      return next;
    });
  }, []);
  return [choice, choose];
}

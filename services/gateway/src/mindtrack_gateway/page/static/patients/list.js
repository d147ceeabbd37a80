// The persons asked for, page after page, with the labels that were given since.

import { address, get } from "../core/api.js";
import { useRef, useState } from "../core/html.js";
import { useLoaded } from "../core/states.js";
import { remember, shown, STEP } from "./query.js";

const fetchPage = (query, more, options) => get(address("/v1/patients", { ...query, ...more }), options);

// Somebody whose place changes while one reads on may come twice.
function distinct(items) {
  const byGrant = new Map();
  for (const item of items) byGrant.set(item.grant_id, item);
  return [...byGrant.values()];
}

/** Return `{ first, patients, next, busy, failure, more, relabel }`; `first` is as of `useLoaded`. */
export function usePatients(query) {
  const first = useLoaded((signal) => fetchPage(query, { limit: shown() }, { signal }), [JSON.stringify(query)]);
  const [later, setLater] = useState({ of: undefined });
  const start = { of: first.value, items: [], labels: {}, next: first.value?.next_cursor ?? null };
  const asked = useRef(null);
  asked.current = first.value;
  const state = later.of === first.value ? later : start;

  const change = (changes) =>
    setLater((former) => {
      const current = former.of === first.value ? former : start;
      return { ...current, ...changes(current) };
    });
  const relabel = (userId, label) => change(({ labels }) => ({ labels: { ...labels, [userId]: label } }));

  async function more() {
    change(() => ({ busy: true, failure: null }));
    try {
      const page = await fetchPage(query, { limit: STEP, cursor: state.next });
      if (asked.current !== first.value) return; // something else is shown by now
      const items = [...state.items, ...page.items];
      change(() => ({ items, next: page.next_cursor, busy: false }));
      remember(first.value.items.length + items.length);
    } catch (failure) {
      if (failure.kind === undefined) throw failure;
      if (asked.current === first.value) change(() => ({ busy: false, failure }));
    }
  }

  const patients = distinct([...(first.value?.items ?? []), ...state.items]).map((patient) =>
    patient.user_id in state.labels ? { ...patient, label: state.labels[patient.user_id] } : patient,
  );
  return { first, patients, next: state.next, busy: state.busy, failure: state.failure, more, relabel };
}

// What the list is asked for, kept in the address.

import { useState } from "../core/html.js";

export const SORTS = ["status", "last_recorded", "seven_day_z"];
const STATUSES = ["no_status", "calibrating", "below", "within_range", "above", "well_above"];

/** Return `{ sort, order, status, alerts, search }`, and a function that changes some of it. */
export function useQuery() {
  const [query, setQuery] = useState(read);
  const change = (part) => {
    const next = { ...query, ...part };
    const kept = Object.entries(next).filter(([, value]) => value);
    history.replaceState(null, "", `?${new URLSearchParams(kept)}`);
    setQuery(next);
  };
  return [query, change];
}

function read() {
  const given = new URLSearchParams(location.search);
  const known = (name, values, otherwise) => (values.includes(given.get(name)) ? given.get(name) : otherwise);
  return {
    sort: known("sort", SORTS, "status"),
    order: known("order", ["asc", "desc"], "desc"),
    status: known("status", STATUSES, ""),
    alerts: known("alerts", ["true"], ""),
    search: given.get("search") ?? "",
  };
}

/** As the API wants it. */
export const asked = ({ sort, order, status, alerts, search }, limit) => ({
  limit,
  sort,
  order,
  status,
  open_alerts: alerts,
  search: search.trim(),
});

// What is asked for lives in the page's address: it can be kept, shared with oneself, and gone back to.

import { useCallback, useEffect, useState } from "../core/html.js";

export const STATUSES = ["well_above", "above", "no_status", "calibrating", "within_range", "below"];
const SORTS = ["status", "last_recorded", "seven_day_z"];
const ORDERS = ["desc", "asc"];
const ALERTS = ["true", "false"];
const NAMES = ["sort", "order", "status", "open_alerts", "search", "show"];
const MOST = 1000; // of the API

/** Each person shown gets a line in their record of who looked: few at a time. */
export const STEP = 25;
export const EVERYBODY = { status: [], open_alerts: "", search: "" };

const one = (known, value, otherwise) => (known.includes(value) ? value : otherwise);

function read() {
  const written = new URLSearchParams(location.search);
  return {
    sort: one(SORTS, written.get("sort"), SORTS[0]),
    order: one(ORDERS, written.get("order"), ORDERS[0]),
    status: STATUSES.filter((status) => written.getAll("status").includes(status)),
    open_alerts: one(ALERTS, written.get("open_alerts"), ""),
    search: (written.get("search") ?? "").trim(),
  };
}

/** How many were shown when this address was last looked at. */
export function shown() {
  const count = Number.parseInt(new URLSearchParams(location.search).get("show"), 10);
  return Math.min(Math.max(count || STEP, STEP), MOST);
}

export function remember(count) {
  const written = new URLSearchParams(location.search);
  written.set("show", count);
  history.replaceState(null, "", `?${written}`);
}

function write({ sort, order, status, open_alerts, search }) {
  const written = new URLSearchParams(location.search);
  for (const name of NAMES) written.delete(name);
  if (sort !== SORTS[0]) written.set("sort", sort);
  if (order !== ORDERS[0]) written.set("order", order);
  for (const each of status) written.append("status", each);
  if (open_alerts) written.set("open_alerts", open_alerts);
  if (search) written.set("search", search);
  const text = written.toString();
  return text ? `?${text}` : location.pathname;
}

export const narrowed = (query) => query.status.length > 0 || query.open_alerts !== "" || query.search !== "";

/** Return the query, and `ask(changes)`. What is typed makes no steps to go back through. */
export function useQuery() {
  const [query, setQuery] = useState(read);
  useEffect(() => {
    const back = () => setQuery(read());
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const ask = useCallback((changes, { typed = false } = {}) => {
    const wanted = { ...read(), ...changes };
    if (typed) history.replaceState(null, "", write(wanted));
    else history.pushState(null, "", write(wanted));
    setQuery(wanted);
  }, []);
  return [query, ask];
}

// Asks `/v1` with the session's cookie. Every way in which that can fail is an `ApiError`.

const PROBLEM = "application/problem+json";
const TIMEOUT = 30_000; // milliseconds

export class ApiError extends Error {
  /** `kind`: offline | unavailable | slow-down | session-over | not-found | refused. `problem` as in RFC 9457. */
  constructor(kind, problem = {}, seconds = null) {
    super(problem.detail ?? kind);
    this.kind = kind;
    this.problem = problem;
    this.status = problem.status ?? null;
    this.seconds = seconds;
  }
}

export const get = (path, options) => ask("GET", path, undefined, options);
export const post = (path, body = {}, options) => ask("POST", path, body, options);
export const put = (path, body) => ask("PUT", path, body);
export const patch = (path, body) => ask("PATCH", path, body);
export const remove = (path, body, options) => ask("DELETE", path, body, options);

async function ask(method, path, body, { signal, headers = {}, milliseconds = TIMEOUT } = {}) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), milliseconds);
  const options = {
    method,
    headers: { Accept: "application/json", ...headers },
    credentials: "same-origin",
    redirect: "error",
    signal: signal ? either(signal, limit.signal) : limit.signal,
  };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await understand(await fetch(path, options)); // its body may get lost, too
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    throw new ApiError(error instanceof SyntaxError ? "unavailable" : "offline");
  } finally {
    clearTimeout(timer);
  }
}

// `AbortSignal.timeout` and `.any` are younger than the browsers that we serve.
function either(...signals) {
  const controller = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) controller.abort();
    signal.addEventListener("abort", () => controller.abort(), { once: true });
  }
  return controller.signal;
}

async function understand(answer) {
  if (answer.status === 204) return null;
  const told = answer.headers.get("Content-Type") ?? "";
  if (answer.ok) return told.includes("json") ? answer.json() : answer.text();
  const problem = told.startsWith(PROBLEM) ? await answer.json() : { status: answer.status };
  throw failure(answer.status, problem, Number(answer.headers.get("Retry-After")) || null);
}

/** Name what a status means to whoever reads the page. */
export function failure(status, problem, seconds = null) {
  if (status === 401) {
    document.dispatchEvent(new CustomEvent("session-over"));
    return new ApiError("session-over", problem);
  }
  if (status === 404 || status === 410) return new ApiError("not-found", problem);
  if (status === 429) return new ApiError("slow-down", problem, seconds ?? 5);
  if (status >= 500) return new ApiError("unavailable", problem, seconds);
  return new ApiError("refused", problem);
}

/** Go through all pages of a list, item by item, `limit` at a time. */
export async function* items(path, query = {}) {
  let cursor = null;
  do {
    const page = await get(address(path, cursor === null ? query : { ...query, cursor }));
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor !== null);
}

/** Write an address with its query; arrays are repeated, null and undefined are left out. */
export function address(path, query = {}) {
  const written = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") written.append(name, each);
    }
  }
  const text = written.toString();
  return text ? `${path}?${text}` : path;
}

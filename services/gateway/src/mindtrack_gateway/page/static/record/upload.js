// Sends a recording. XMLHttpRequest, as fetch does not tell how far an upload is.

import { ApiError, failure } from "../core/api.js";

const PATH = "/v1/jobs";
/** Without a byte of progress for so long, the connection is dead. */
const STALLED = 45_000; // milliseconds

/**
 * Return the job. `progress` hears a share from 0 to 1.
 * Rejects with an `ApiError`; that the session is over is left to the caller, who holds what must not get lost.
 */
export function send(recording, progress, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(recording.fields)) form.append(name, value);
  form.append("file", recording.blob, "recording");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let idle;
    const awake = () => {
      clearTimeout(idle);
      idle = setTimeout(() => request.abort(), STALLED);
    };
    const lost = () => reject(new ApiError("offline"));
    request.open("POST", PATH);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", `"${recording.key}"`);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      awake();
      progress(total ? loaded / total : 0);
    });
    request.addEventListener("load", () => understand(request, resolve, reject));
    request.addEventListener("error", lost);
    request.addEventListener("abort", lost);
    request.addEventListener("loadend", () => clearTimeout(idle));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    awake();
    request.send(form);
  });
}

function understand(request, resolve, reject) {
  const { status } = request;
  const told = parsed(request);
  if (status >= 200 && status < 300 && told) return resolve(told);
  const problem = told ?? { status };
  if (status === 401) return reject(new ApiError("session-over", problem));
  // The first attempt may still be on its way: the same request a little later gets its job.
  if (status === 409) return reject(new ApiError("unavailable", problem));
  return reject(failure(status, problem, Number(request.getResponseHeader("Retry-After")) || null));
}

function parsed(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return null;
  }
}

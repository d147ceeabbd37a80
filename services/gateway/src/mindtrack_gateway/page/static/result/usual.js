// What was usual for the person when a recording was made, if that is known.

/** The calendar day where the person was, `YYYY-MM-DD`. */
function localDay(moment, timeZone) {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return parts.format(new Date(moment));
}

/** Return `{ range: { low, centre, high } }`, or `{ range: null, why }`: new | model | device | days. */
export function usual(report, job) {
  const day = localDay(job.recording.recorded_at, job.recording.time_zone);
  const revision = job.analysis.model.bundle_revision;
  const point = report.points.find((each) => each.day === day && each.bundle_revision === revision);
  if (point && point.usual_low !== null) {
    return { range: { low: point.usual_low, centre: point.centre, high: point.usual_high } };
  }
  const latest = report.points.at(-1);
  if (report.baseline === null || !latest) return { range: null, why: "new" };
  if (latest.bundle_revision !== revision) return { range: null, why: "model" };
  if (point) return { range: null, why: latest === point ? "device" : "days" };
  if (day < latest.day) return { range: null, why: "days" };
  return { range: report.baseline };
}

export function place(score, { low, high }) {
  if (score < low) return "below";
  return score > high ? "above" : "within";
}

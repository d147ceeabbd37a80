// Alerts, with what was compared; and that somebody has seen them.

import { post } from "../core/api.js";
import { day, moment, number } from "../core/format.js";
import { html, useState } from "../core/html.js";
import { Failure } from "../core/states.js";
import { Part, attempt } from "./access.js";
import { More } from "./list.js";
import { of } from "./person.js";

const COMPARED = ["ewma", "recent_z", "days_beyond", "lasting_days"];

export function AlertsPart({ t, access, list }) {
  return html`<${Part} t=${t} name="alerts" from=${list.from}>
    ${() =>
      list.items.length === 0
        ? html`<p class="quiet">${t("patient.alerts.none")}</p>`
        : html`<ul class="plain stack">
              ${list.items.map((alert) => html`<${Alert} key=${alert.id} t=${t} access=${access} alert=${alert} />`)}
            </ul>
            <${More} t=${t} list=${list} />`}
  <//>`;
}

function Alert({ t, access, alert }) {
  const [seen, setSeen] = useState(null);
  const told = seen ?? alert;
  return html`<li class="alert">
    <div class="row">
      <h3>${t("patient.alert.rise", { measure: t(`measure.${alert.measure}`) })}</h3>
      <span class="badge ${told.open ? "warn" : "soft"}">${t(told.open ? "patient.alert.open" : "patient.alert.over")}</span>
    </div>
    <p class="quiet">${times(t, told)}</p>
    ${told.reason ? html`<${Reason} t=${t} reason=${told.reason} />` : html`<p>${t("patient.alert.no-reason")}</p>`}
    <p class="quiet">${t("patient.alert.meaning")}</p>
    <${Acknowledgement} t=${t} access=${access} alert=${told} onSeen=${setSeen} />
  </li>`;
}

function times(t, alert) {
  const opened = t("patient.alert.opened", { day: day(alert.opened_on) });
  if (alert.open) return opened;
  const why = `patient.alert.ended.${alert.ended_why}`;
  return `${opened} ${t("patient.alert.ended", { day: day(alert.ended_on) })} ${t.has(why) ? t(why) : ""}`;
}

function Reason({ t, reason }) {
  const names = [...new Set([...COMPARED, ...Object.keys(reason.values)])].filter((name) => name in reason.values);
  return html`
    <div class="wide" tabindex="0" role="region" aria-label=${t("patient.alert.reason")}>
      <table class="reason">
        <caption>${t("patient.alert.reason")}</caption>
        <thead>
          <tr>
            <th scope="col">${t("patient.alert.compared")}</th>
            <th scope="col" class="number">${t("patient.alert.found")}</th>
            <th scope="col" class="number">${t("patient.alert.threshold")}</th>
          </tr>
        </thead>
        <tbody>
          ${names.map(
            (name) => html`<tr key=${name}>
              <th scope="row">${t.has(`patient.alert.${name}`) ? t(`patient.alert.${name}`) : name}</th>
              <td class="number">${number(reason.values[name])}</td>
              <td class="number">${name in reason.thresholds ? number(reason.thresholds[name]) : t("none")}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <p>${t("patient.alert.from", {
      recordings: reason.recordings,
      days: reason.recording_days,
      first: day(reason.first_day),
      last: day(reason.last_day),
      since: day(reason.since),
    })}</p>
    <p>${t("patient.alert.baseline", {
      days: reason.baseline_days,
      first: day(reason.baseline_first_day),
      last: day(reason.baseline_last_day),
    })}</p>
    <p class="quiet">${t("patient.alert.rule", {
      rule: reason.rule,
      rule_version: reason.rule_version,
      method: reason.method,
      method_version: reason.method_version,
      bundle: reason.bundle_revision,
    })}</p>
  `;
}

function Acknowledgement({ t, access, alert, onSeen }) {
  const [state, setState] = useState({ busy: false, error: null });
  if (alert.acknowledged_at) {
    const who = alert.acknowledged_by ? `patient.alert.seen.${alert.acknowledged_by}` : "patient.alert.seen.somebody";
    return html`<p role="status">${t(who, { moment: moment(alert.acknowledged_at) })}</p>`;
  }
  const acknowledge = async () => {
    setState({ busy: true, error: null });
    const fail = (error) => setState({ busy: false, error });
    const seen = await attempt(access, () => post(of(`alerts/${alert.id}/acknowledge`)), fail);
    if (seen) onSeen(seen);
  };
  return html`
    ${state.error && html`<${Failure} t=${t} error=${state.error} again=${acknowledge} />`}
    <button type="button" class="quiet" disabled=${state.busy} onClick=${acknowledge}>
      ${t("patient.alert.acknowledge")}
    </button>
  `;
}

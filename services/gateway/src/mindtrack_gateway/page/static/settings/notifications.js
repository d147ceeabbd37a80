// Whether, where and when a person is notified.

import { get, post, put } from "../core/api.js";
import { html, useState } from "../core/html.js";
import { useSending } from "../core/sending.js";
import { Failure, Loaded, useLoaded } from "../core/states.js";
import { Addresses } from "./addresses.js";

const PATH = "/v1/users/me/notifications";
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function Notifications({ t }) {
  const found = useLoaded((signal) => get(PATH, { signal }), []);
  return html`<${Loaded} t=${t} from=${found}>
    ${(view) =>
      view.channels.length === 0 && view.addresses.length === 0
        ? html`<p class="quiet">${t("settings.notifications.not-offered")}</p>`
        : html`<${Wishes} t=${t} view=${view} />`}
  <//>`;
}

function Wishes({ t, view }) {
  const { channels, ...kept } = view;
  const [saved, setSaved] = useState(kept);
  const [wishes, setWishes] = useState(kept);
  const [said, setSaid] = useState("");
  const sending = useSending();
  const changed = JSON.stringify(wishes) !== JSON.stringify(saved);
  const set = (change) => {
    sending.clear();
    setSaid("");
    setWishes((former) => ({ ...former, ...change }));
  };
  const save = async (event) => {
    event.preventDefault();
    const answer = await sending.run(() => put(PATH, wishes));
    if (!answer) return;
    const { channels: _, ...now } = answer;
    setSaved(now);
    setWishes(now);
    setSaid(t("settings.saved"));
  };
  const quiet = (name) => (event) =>
    event.target.value && set({ quiet_hours: { ...wishes.quiet_hours, [name]: event.target.value } });
  return html`<form class="stack" onSubmit=${save}>
    <div class="option">
      <input type="checkbox" id="enabled" checked=${wishes.enabled} disabled=${wishes.addresses.length === 0 && !wishes.enabled}
        aria-describedby="enabled-hint" onChange=${(event) => set({ enabled: event.target.checked })} />
      <div>
        <label for="enabled">${t("settings.enabled")}</label>
        <p id="enabled-hint" class="quiet">${t("settings.enabled.hint")}</p>
      </div>
    </div>
    <${Addresses} t=${t} channels=${channels} addresses=${wishes.addresses}
      onChange=${(addresses) => set({ addresses, enabled: wishes.enabled && addresses.length > 0 })} />
    <fieldset class="stack">
      <legend>${t("settings.quiet")}</legend>
      <div class="columns narrow">
        ${["begin", "end"].map(
          (name) => html`<div key=${name}>
            <label for=${`quiet-${name}`}>${t(`settings.quiet.${name}`)}</label>
            <input type="time" id=${`quiet-${name}`} required value=${wishes.quiet_hours[name]} onInput=${quiet(name)} />
          </div>`,
        )}
        <${Zone} t=${t} chosen=${wishes.time_zone} onChange=${(zone) => set({ time_zone: zone })} />
      </div>
      <p class="quiet">${t("settings.quiet.hint")}</p>
    </fieldset>
    ${sending.error && html`<${Failure} t=${t} error=${sending.error} />`}
    <div class="row">
      <button type="submit" disabled=${sending.busy || !changed}>${t("settings.save")}</button>
      <${Test} t=${t} disabled=${changed || saved.addresses.length === 0} />
      <span role="status">${said}</span>
    </div>
  </form>`;
}

function Zone({ t, chosen, onChange }) {
  const zones = [...new Set([here, chosen, ...(Intl.supportedValuesOf?.("timeZone") ?? [])])].filter(Boolean);
  return html`<div>
    <label for="zone">${t("settings.zone")}</label>
    <select id="zone" value=${chosen ?? ""} onChange=${(event) => onChange(event.target.value || null)}>
      <option value="">${t("settings.zone.newest")}</option>
      ${zones.map((zone) => html`<option key=${zone} value=${zone}>${zone}</option>`)}
    </select>
  </div>`;
}

function Test({ t, disabled }) {
  const [said, setSaid] = useState("");
  const sending = useSending();
  const test = async () => {
    setSaid("");
    const answer = await sending.run(() => post(`${PATH}/test`));
    if (answer) setSaid(t("settings.test.sent", { count: answer.items.length, number: answer.items.length }));
  };
  return html`<button type="button" class="quiet" disabled=${disabled || sending.busy} onClick=${test}>${t("settings.test")}</button>
    <span role="status">${said}</span>
    ${sending.error && html`<${Failure} t=${t} error=${sending.error} />`}`;
}

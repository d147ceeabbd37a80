// Asking for an invitation: what it opens, for what, where it is used, for how long.

import { post } from "../core/api.js";
import { html, useState } from "../core/html.js";
import { useSending } from "../core/sending.js";
import { Failure } from "../core/states.js";

const SCOPES = ["trends", "analyses", "feedback", "alerts", "notes"];
const CONTEXTS = ["healthcare", "self_support", "research", "workplace", "education"];
const GRANT_DAYS = [30, 90, 180, 366];
const CODE_DAYS = [1, 7, 30];
const LONGEST_PURPOSE = 200;
const PROHIBITED = "use-context-prohibited";

const FIRST = { scopes: ["trends"], purpose: "", use_context: "healthcare", grant_days: 90, code_days: 7 };

/** `onCreated` gets the invitation with its code. */
export function Invite({ t, onCreated }) {
  const [wanted, setWanted] = useState(FIRST);
  const sending = useSending();
  const set = (name, value) => {
    sending.clear();
    setWanted((former) => ({ ...former, [name]: value }));
  };
  const submit = async (event) => {
    event.preventDefault();
    const created = await sending.run(() => post("/v1/invitations", wanted));
    if (!created) return;
    setWanted(FIRST);
    onCreated(created);
  };
  const nothing = wanted.scopes.length === 0;
  return html`<form class="stack" onSubmit=${submit}>
    <${Scopes} t=${t} chosen=${wanted.scopes} onChange=${(scopes) => set("scopes", scopes)} />
    <div>
      <label for="purpose">${t("sharing.purpose")}</label>
      <input id="purpose" required maxlength=${LONGEST_PURPOSE} autocomplete="off" aria-describedby="purpose-hint"
        value=${wanted.purpose} onInput=${(event) => set("purpose", event.target.value)} />
      <small id="purpose-hint" class="quiet">${t("sharing.purpose.hint")}</small>
    </div>
    <div class="columns">
      <${Choice} t=${t} name="use_context" values=${CONTEXTS} wanted=${wanted} set=${set} />
      <${Choice} t=${t} name="grant_days" values=${GRANT_DAYS} wanted=${wanted} set=${set} days />
      <${Choice} t=${t} name="code_days" values=${CODE_DAYS} wanted=${wanted} set=${set} days />
    </div>
    <${Refusal} t=${t} error=${sending.error} />
    ${nothing && html`<p class="quiet" role="status">${t("sharing.scopes.none")}</p>`}
    <p><button type="submit" disabled=${sending.busy || nothing}>${t("sharing.invite")}</button></p>
  </form>`;
}

function Scopes({ t, chosen, onChange }) {
  const toggle = (scope) =>
    onChange(chosen.includes(scope) ? chosen.filter((each) => each !== scope) : [...chosen, scope]);
  return html`<fieldset>
    <legend>${t("sharing.scopes")}</legend>
    <ul class="choices">
      ${SCOPES.map(
        (scope) => html`<li key=${scope}>
          <input type="checkbox" id=${`scope-${scope}`} checked=${chosen.includes(scope)}
            aria-describedby=${`scope-${scope}-hint`} onChange=${() => toggle(scope)} />
          <div>
            <label for=${`scope-${scope}`}>${t(`sharing.scope.${scope}`)}</label>
            <p id=${`scope-${scope}-hint`} class="quiet">${t(`sharing.scope.${scope}.hint`)}</p>
          </div>
        </li>`,
      )}
    </ul>
  </fieldset>`;
}

function Choice({ t, name, values, wanted, set, days = false }) {
  const say = (value) => (days ? t("sharing.days", { count: value, days: value }) : t(`sharing.context.${value}`));
  const choose = (event) => set(name, days ? Number(event.target.value) : event.target.value);
  return html`<div>
    <label for=${name}>${t(`sharing.${name}`)}</label>
    <select id=${name} value=${wanted[name]} onChange=${choose}>
      ${values.map((value) => html`<option key=${value} value=${value}>${say(value)}</option>`)}
    </select>
  </div>`;
}

function Refusal({ t, error }) {
  if (error === null) return null;
  if (!error.problem.type?.endsWith(PROHIBITED)) return html`<${Failure} t=${t} error=${error} />`;
  return html`<div class="notice warn" role="alert">
    <h3>${t("sharing.prohibited.title")}</h3>
    <p>${t("sharing.prohibited.body")}</p>
    <p><a href=${t("sharing.prohibited.address")} rel="noreferrer external">${t("sharing.prohibited.link")}</a></p>
  </div>`;
}

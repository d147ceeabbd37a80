// Where messages go: e-mail addresses, and topics that an app listens to.

import { html, useState } from "../core/html.js";

const MOST = 5;
const TOPIC = "[A-Za-z0-9_\\-]{16,64}";
const TOPIC_BYTES = 18;

export function Addresses({ t, channels, addresses, onChange }) {
  const drop = (gone) => onChange(addresses.filter((each) => each !== gone));
  return html`<fieldset class="stack">
    <legend>${t("settings.addresses")}</legend>
    ${addresses.length === 0 && html`<p class="quiet">${t("settings.addresses.empty")}</p>`}
    <ul class="addresses">
      ${addresses.map(
        (each) => html`<li key=${each.channel + each.address} class="row">
          <span class="badge soft">${t(`settings.channel.${each.channel}`)}</span>
          <span class="address">${each.address}</span>
          <button type="button" class="quiet" aria-label=${t("settings.address.drop.name", { address: each.address })}
            onClick=${() => drop(each)}>${t("settings.address.drop")}</button>
        </li>`,
      )}
    </ul>
    ${channels.length > 0 && addresses.length < MOST &&
    html`<${Further} t=${t} channels=${channels} onAdd=${(one) => onChange([...addresses, one])} />`}
  </fieldset>`;
}

// Within the form that saves all: Enter adds the address and does not save.
function Further({ t, channels, onAdd }) {
  const [channel, setChannel] = useState(channels[0]);
  const [address, setAddress] = useState("");
  const add = (event) => {
    const field = event.currentTarget.closest(".further").querySelector("#address");
    if (!field.reportValidity() || address.trim() === "") return;
    onAdd({ channel, address: address.trim() });
    setAddress("");
  };
  const enter = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add(event);
  };
  const push = channel === "push";
  return html`<div class="further">
    <div>
      <label for="channel">${t("settings.channel")}</label>
      <select id="channel" value=${channel} onChange=${(event) => setChannel(event.target.value)}>
        ${channels.map((each) => html`<option key=${each} value=${each}>${t(`settings.channel.${each}`)}</option>`)}
      </select>
    </div>
    <div>
      <label for="address">${t(push ? "settings.topic" : "settings.email")}</label>
      <input id="address" type=${push ? "text" : "email"} maxlength="254" pattern=${push ? TOPIC : undefined}
        autocomplete=${push ? "off" : "email"} aria-describedby="address-hint" value=${address}
        onInput=${(event) => setAddress(event.target.value)} onKeyDown=${enter} />
    </div>
    <div class="row">
      <button type="button" class="quiet" onClick=${add}>${t("settings.address.add")}</button>
      ${push && html`<button type="button" class="quiet" onClick=${() => setAddress(topic())}>${t("settings.topic.make")}</button>`}
    </div>
    <p id="address-hint" class="quiet">${t(push ? "settings.topic.hint" : "settings.email.hint")}</p>
  </div>`;
}

/** Random, as whoever knows it can listen. */
function topic() {
  const bytes = crypto.getRandomValues(new Uint8Array(TOPIC_BYTES));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

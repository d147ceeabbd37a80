import { address, get } from "../core/api.js";
import { html } from "../core/html.js";
import { start } from "../core/start.js";
import { Loaded, useLoaded } from "../core/states.js";
import { Trend } from "../core/trend.js";

function App({ t }) {
  const trends = useLoaded((signal) => get(address("/v1/users/me/trends", { days: 90 }), { signal }), []);
  return html`<section class="card">
    <${Loaded} t=${t} from=${trends}>${(found) => html`<${Trend} t=${t} report=${found.measures[0]} />`}<//>
  </section>`;
}

await start(App, "person");

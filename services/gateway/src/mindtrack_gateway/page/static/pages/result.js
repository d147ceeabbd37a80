import { html } from "../core/html.js";
import { start } from "../core/start.js";

const App = ({ t }) => html`<p>${t("result.title")}</p>`;

await start(App, "person");

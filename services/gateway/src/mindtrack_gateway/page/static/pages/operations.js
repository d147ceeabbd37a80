import { html } from "../core/html.js";
import { start } from "../core/start.js";

const App = ({ t }) => html`<p>${t("operations.title")}</p>`;

await start(App, "operator");

// Why nothing can be recorded, and what helps.

import { html } from "../core/html.js";

export const Obstacle = ({ t, kind }) => html`<div class="notice warn" role="alert">
  <h3>${t(`home.obstacle.${kind}`)}</h3>
  <p>${t(`home.obstacle.${kind}.help`)}</p>
</div>`;

import { html, useState } from "../core/html.js";
import { usePaged } from "../core/paged.js";
import { start } from "../core/start.js";
import { Accesses } from "../sharing/accesses.js";
import { Code } from "../sharing/code.js";
import { Grants } from "../sharing/grants.js";
import { Invitations } from "../sharing/invitations.js";
import { Invite } from "../sharing/invite.js";
import { Notes } from "../sharing/notes.js";

function App({ t }) {
  const [created, setCreated] = useState(null);
  const grants = usePaged("/v1/grants", { limit: 50 });
  const invitations = usePaged("/v1/invitations", { limit: 50 });
  const invited = (invitation) => {
    setCreated(invitation);
    invitations.first.again();
  };
  const part = (name, content) => html`<section class="card" aria-labelledby=${`part-${name}`}>
    <h2 id=${`part-${name}`} tabindex="-1">${t(`sharing.${name}.title`)}</h2>
    ${content}
  </section>`;
  return html`<div class="stack">
    <p>${t("sharing.lead")}</p>
    ${part("grants", html`<${Grants} t=${t} from=${grants} onChange=${grants.first.again} />`)}
    ${created
      ? html`<${Code} t=${t} invitation=${created} onDone=${() => setCreated(null)} />`
      : part("invite", html`<${Invite} t=${t} onCreated=${invited} />`)}
    ${part("invitations", html`<${Invitations} t=${t} from=${invitations} onChange=${invitations.first.again} />`)}
    <div class="columns">
      ${part("accesses", html`<${Accesses} t=${t} grants=${grants.items} />`)}
      ${part("notes", html`<${Notes} t=${t} />`)}
    </div>
  </div>`;
}

await start(App, "person");

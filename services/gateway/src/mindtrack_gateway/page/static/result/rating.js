// How it felt to the person: the truth that scores can be held against. It changes none.

import { get, post } from "../core/api.js";
import { moment } from "../core/format.js";
import { html, useEffect, useState } from "../core/html.js";
import { Failure, Loaded, useLoaded } from "../core/states.js";

const SCALES = ["stress", "anxiety", "mood"];
const MOST = 10;
const LONGEST_NOTE = 500;

export function Rating({ t, id }) {
  const path = `/v1/jobs/${id}/feedback`;
  const given = useLoaded((signal) => get(path, { signal }), [id]);
  return html`<section class="card" aria-labelledby="rating">
    <h2 id="rating">${t("result.rating")}</h2>
    <p class="quiet">${t("result.rating.what")}</p>
    <${Loaded} t=${t} from=${given}>
      ${({ items }) => html`<${Form} t=${t} path=${path} former=${items.find((each) => each.kind === "self") ?? null} />`}
    <//>
  </section>`;
}

function Form({ t, path, former }) {
  const [said, setSaid] = useState(former);
  const [answers, setAnswers] = useState(() => chosen(former));
  const [note, setNote] = useState(former?.note ?? "");
  const [state, setState] = useState({ busy: false, error: null, kept: false });
  useEffect(() => setState((before) => ({ ...before, kept: false })), [answers, note]);
  const empty = SCALES.every((name) => answers[name] === null);
  const submit = async (event) => {
    event.preventDefault();
    setState({ busy: true, error: null, kept: false });
    try {
      setSaid(await post(path, answer(answers, note, said)));
      setState({ busy: false, error: null, kept: true });
    } catch (error) {
      if (error.kind === undefined) throw error;
      setState({ busy: false, error, kept: false });
    }
  };
  return html`<form class="stack" onSubmit=${submit}>
    <div class="scales">
      ${SCALES.map((name) => html`<${Scale}
        key=${name}
        t=${t}
        name=${name}
        value=${answers[name]}
        change=${(value) => setAnswers((before) => ({ ...before, [name]: value }))}
      />`)}
    </div>
    <div>
      <label for="note">${t("result.rating.note")}</label>
      <textarea id="note" rows="2" maxlength=${LONGEST_NOTE} value=${note} onInput=${({ target }) => setNote(target.value)}></textarea>
    </div>
    <div aria-live="polite">
      ${state.error && html`<${Failure} t=${t} error=${state.error} />`}
      ${state.kept && html`<p class="notice">${t("result.rating.kept")}</p>`}
      ${said?.support && html`<${Support} t=${t} support=${said.support} />`}
      ${!state.kept && said && html`<p class="quiet">${t("result.rating.before", { moment: moment(said.given_at) })}</p>`}
    </div>
    <div class="row">
      <button type="submit" disabled=${empty || state.busy}>${t(said ? "result.rating.replace" : "result.rating.give")}</button>
      <span class="quiet" role="status">${empty && t("result.rating.empty")}</span>
    </div>
  </form>`;
}

const chosen = (former) => Object.fromEntries(SCALES.map((name) => [name, former?.[name] ?? null]));

/** What is said replaces all that was said before: questionnaires that an app asked are said again. */
function answer(answers, note, said) {
  const told = { ...answers };
  if (note.trim()) told.note = note.trim();
  for (const name of ["phq9", "gad7"]) {
    const kept = said?.[name];
    if (kept) told[name] = kept.items ? { items: kept.items } : { total: kept.total };
  }
  return told;
}

/** Answers that an app asked for can call for it; they are said again with these. */
const Support = ({ t, support }) => html`<div class="notice">
  <p>${support.notice}</p>
  ${support.link && html`<p><a href=${support.link}>${t("result.support")}</a></p>`}
</div>`;

const Scale = ({ t, name, value, change }) => html`<fieldset class="rating">
  <legend>${t(`result.rating.${name}`)}</legend>
  <div class="steps">
    ${Array.from({ length: MOST + 1 }, (_, step) => html`<label key=${step}>
      <input type="radio" name=${name} value=${step} checked=${value === step} onChange=${() => change(step)} />
      <span>${step}</span>
    </label>`)}
  </div>
  <p class="ends quiet" aria-hidden="true"><span>${t(`result.rating.${name}.least`)}</span><span>${t(`result.rating.${name}.most`)}</span></p>
</fieldset>`;

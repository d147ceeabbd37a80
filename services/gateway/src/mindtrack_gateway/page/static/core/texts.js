// Texts by key, in the language that the server chose for this page.

export const language = document.documentElement.lang;

const plural = new Intl.PluralRules(language);

/** Read catalogues, and return `t(key, values)`: `{name}` is filled in; `{one, other}` is chosen by `values.count`. */
export async function texts(...areas) {
  const found = await Promise.all(areas.map(read));
  const known = Object.assign({}, ...found);
  const t = (key, values = {}) => {
    const text = known[key];
    if (text === undefined) throw new Error(`no text for ${key}`);
    const chosen = typeof text === "string" ? text : (text[plural.select(values.count)] ?? text.other);
    return chosen.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? `{${name}}`);
  };
  /** Whether there is a text: the API may come to say what this page does not know yet. */
  t.has = (key) => key in known;
  return t;
}

async function read(area) {
  const answer = await fetch(new URL(`../catalogues/${language}/${area}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`no catalogue ${area}: ${answer.status}`);
  return answer.json();
}

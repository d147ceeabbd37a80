// Which question is asked: one for each day, another on request.

import { useState } from "../core/html.js";

const PROMPTS = ["day", "week", "body", "people", "ahead", "moment"];
const DAY = 86_400_000; // milliseconds

/** The number of today where the person is. */
function today() {
  const now = new Date();
  return Math.floor(Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) / DAY);
}

/** Return the key of a prompt's text, and how to ask for another. */
export function usePrompt() {
  const [index, setIndex] = useState(() => today() % PROMPTS.length);
  return [`home.prompt.${PROMPTS[index]}`, () => setIndex((former) => (former + 1) % PROMPTS.length)];
}

// How this page writes what it was told.

import { number } from "../core/format.js";
import { language } from "../core/texts.js";

const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const share = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });

export const count = whole.format;
export const part = share.format;
export const timeOfDay = (moment) => clock.format(new Date(moment));
export const laneName = (t, priority) => (t.has(`lane.${priority}`) ? t(`lane.${priority}`) : priority);
export const known = (t, value, write) => (value === null ? t("operations.unknown") : write(value));
export const perMinute = (t, value) => (value === null ? t("none") : number(value * 60));

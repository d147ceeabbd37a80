// Numbers and moments as the page's language writes them.

import { language } from "./texts.js";

const one = (options) => new Intl.NumberFormat(language, options);
const when = (options) => new Intl.DateTimeFormat(language, options);

const SHARE = one({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
const SIGNED = one({ signDisplay: "exceptZero", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const SMALL = one({ signDisplay: "exceptZero", minimumFractionDigits: 3, maximumFractionDigits: 3 });
const PROBABILITY = one({ minimumFractionDigits: 3, maximumFractionDigits: 3 });
const NUMBER = one({ maximumFractionDigits: 1 });
const PERCENT = one({ style: "percent", maximumFractionDigits: 0 });
const DAY = when({ dateStyle: "medium", timeZone: "UTC" });
const MONTH = when({ month: "long", year: "numeric", timeZone: "UTC" });
const SHORT_DAY = when({ day: "numeric", month: "short", timeZone: "UTC" });
const DATE = when({ dateStyle: "medium" });
const MOMENT = when({ dateStyle: "medium", timeStyle: "short" });

export const share = (value) => SHARE.format(value);
export const signed = (value) => SIGNED.format(value);
/** A change, as exactly as its size asks for. */
export const change = (value) => (Math.abs(value) < 1 ? SMALL : SIGNED).format(value);
/** What stands behind "p": equal to a value, or below the least that is told. */
export const probability = (p) => (p < 0.001 ? `< ${PROBABILITY.format(0.001)}` : `= ${PROBABILITY.format(p)}`);
export const number = (value) => NUMBER.format(value);
export const percent = (value) => PERCENT.format(value);
/** A calendar day, `YYYY-MM-DD`, which lies in no time zone. */
export const day = (value) => DAY.format(new Date(`${value}T00:00:00Z`));
/** The month of a calendar day. */
export const month = (value) => MONTH.format(new Date(`${value}T00:00:00Z`));
export const days = (first, last) => DAY.formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));
export const shortDay = (value) => SHORT_DAY.format(new Date(`${value}T00:00:00Z`));
/** The day of a moment, and a moment, RFC 3339, in the visitor's time zone. */
export const date = (value) => DATE.format(new Date(value));
export const moment = (value) => MOMENT.format(new Date(value));

export function seconds(value) {
  if (value < 90) return one({ style: "unit", unit: "second", maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
  if (value < 5400) return one({ style: "unit", unit: "minute", maximumFractionDigits: 0 }).format(value / 60);
  return one({ style: "unit", unit: "hour", maximumFractionDigits: 1 }).format(value / 3600);
}

// What this browser knows about how it records, as `POST /v1/jobs` takes it.

const BROWSERS = [
  ["Edge", /Edg\/(\d+)/],
  ["Opera", /OPR\/(\d+)/],
  ["Firefox", /(?:Firefox|FxiOS)\/(\d+)/],
  ["Chrome", /(?:Chrome|CriOS)\/(\d+)/],
  ["Safari", /Version\/(\d+).*Safari/],
];
const SYSTEMS = [
  ["iPhone", /iPhone/],
  ["iPad", /iPad/],
  ["Android", /Android/],
  ["macOS", /Mac OS X/],
  ["Windows", /Windows/],
  ["Linux", /Linux|CrOS/],
];
/** Browsers name microphones in their own words; these are what tells one kind from the others. */
const MICROPHONES = [
  ["bluetooth", /bluetooth|airpods|buds|hands-?free/i],
  ["headset", /headset|headphone|earphone|kopfh/i],
  ["built_in", /built-?in|internal|integr|iphone|ipad|macbook|speakerphone|array/i],
  ["external", /usb|external|extern|webcam/i],
];

const LONGEST_DEVICE = 64;

export function microphoneKind(label) {
  return MICROPHONES.find(([, pattern]) => pattern.test(label))?.[0] ?? "unknown";
}

export function device(agent = navigator.userAgent) {
  const [browser, pattern] = BROWSERS.find(([, each]) => each.test(agent)) ?? ["Browser", null];
  const [system] = SYSTEMS.find(([, each]) => each.test(agent)) ?? ["?"];
  const version = pattern ? ` ${pattern.exec(agent)[1]}` : "";
  return `${browser}${version}, ${system}`.slice(0, LONGEST_DEVICE);
}

/** The page's files are named by their content. */
export function appVersion() {
  const [, digest] = /\/static\/([0-9a-f]+)\//.exec(import.meta.url) ?? [];
  return digest ? `page ${digest}` : "page";
}

export const timeZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

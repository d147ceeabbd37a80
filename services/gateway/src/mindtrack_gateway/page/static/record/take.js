// One recording from the microphone, from its start to what is sent.

import { appVersion, device, microphoneKind, timeZone } from "./device.js";
import { Level } from "./level.js";

export const SHORTEST = 5; // seconds
export const LONGEST = 60; // seconds

const TYPES = ["audio/webm;codecs=opus", "audio/mp4;codecs=mp4a.40.2", "audio/mp4"];
const SLICE = 1000; // milliseconds

export class Take {
  constructor(stream) {
    this._stream = stream;
    this._chunks = [];
    const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each));
    this._recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    this._recorder.addEventListener("dataavailable", ({ data }) => data.size && this._chunks.push(data));
    this.level = new Level(new AudioContext(), stream);
    this._began = null;
    this._promptEnded = null;
    this._over = false;
  }

  /** Resolves once the recorder runs. `told` hears of each measurement, `lost` that the microphone went away. */
  begin(told, lost) {
    const [track] = this._stream.getAudioTracks();
    track.addEventListener("ended", lost, { once: true });
    return new Promise((resolve) => {
      this._recorder.addEventListener("start", () => {
        if (this._over) return;
        this._began = Date.now();
        this._clock = performance.now();
        this.level.begin(told);
        resolve();
      });
      this._recorder.start(SLICE);
    });
  }

  /**
   * The question had been read before the button was pressed; it is answered from when the page says that it listens.
   * Of these the later is its end: `prompt_ended_at` is a moment at which the recording already runs.
   */
  invited() {
    this._promptEnded ??= Date.now();
  }

  get seconds() {
    return (performance.now() - this._clock) / 1000;
  }

  /** End it, and return the recording. */
  async end() {
    const { seconds } = this;
    await this._stop();
    const blob = new Blob(this._chunks, { type: this._recorder.mimeType });
    return recording(blob, {
      seconds,
      verdict: this.level.verdict(),
      fields: {
        recorded_at: new Date(this._began).toISOString(),
        prompt_ended_at: new Date(this._promptEnded ?? this._began).toISOString(),
        microphone: microphoneKind(this._stream.getAudioTracks()[0].label),
        device: device(),
      },
    });
  }

  /** End it, and forget what was said. */
  async discard() {
    await this._stop();
    this._chunks.length = 0;
  }

  async _stop() {
    if (this._over) return;
    this._over = true;
    if (this._recorder.state !== "inactive") {
      const stopped = new Promise((resolve) => this._recorder.addEventListener("stop", resolve, { once: true }));
      this._recorder.stop();
      await stopped;
    }
    this.level.close();
    for (const track of this._stream.getTracks()) track.stop();
  }
}

/** What is sent. Its key is made once, so that sending it again never makes a second job of it. */
export function recording(blob, { seconds = null, verdict = "good", fields }) {
  const own = { ...fields, time_zone: timeZone(), app_version: appVersion() };
  return { blob, seconds, verdict, fields: own, key: key() };
}

/** `crypto.randomUUID` is kept from insecure pages, where files can still be sent. */
function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
}

/** A file that somebody chose. When its question ended is not known, and not said. */
export function fromFile(file, now = Date.now()) {
  const changed = file.lastModified || now;
  return recording(file, { fields: { recorded_at: new Date(Math.min(changed, now)).toISOString() } });
}

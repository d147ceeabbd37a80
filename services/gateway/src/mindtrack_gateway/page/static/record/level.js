// How loud it is: measured from a stream while it is recorded, and what that says.

const TICK = 50; // milliseconds
const BLOCK = 4096; // samples; longer than a tick at every usual rate, so that nothing passes unheard
const FULL = 0.985; // of full scale
const SILENCE = -90; // dBFS
/** The service refuses less than -60 dBFS, and more than a tenth of the samples cut off. */
const QUIET = -42; // dBFS, of the louder parts
const CUT_SHARE = 0.005; // of samples
const RECENT = 40; // ticks: two seconds

export class Level {
  /** `context` must have been made on a click, or Safari leaves it silent. */
  constructor(context, stream) {
    this.levels = [];
    this.cut = [];
    this._context = context;
    this._analyser = context.createAnalyser();
    this._analyser.fftSize = BLOCK;
    this._block = new Float32Array(BLOCK);
    this._source = context.createMediaStreamSource(stream);
    this._source.connect(this._analyser);
  }

  /** Measure until `close`, and call `told` after each time. */
  begin(told) {
    this._timer = setInterval(() => {
      this._measure();
      told();
    }, TICK);
  }

  close() {
    clearInterval(this._timer);
    this._source.disconnect();
    this._context.close();
  }

  /** What to say while it goes on. */
  live() {
    return this.levels.length < RECENT ? "good" : judge(this.levels.slice(-RECENT), this.cut.slice(-RECENT));
  }

  /** What to say of all of it. */
  verdict() {
    return judge(this.levels, this.cut);
  }

  _measure() {
    this._analyser.getFloatTimeDomainData(this._block);
    let power = 0;
    let cut = 0;
    for (const sample of this._block) {
      power += sample * sample;
      if (Math.abs(sample) >= FULL) cut += 1;
    }
    this.levels.push(Math.max(SILENCE, 10 * Math.log10(power / BLOCK + 1e-12)));
    this.cut.push(cut / BLOCK);
  }
}

/** `quiet`, `loud` or `good`. */
function judge(levels, cut) {
  if (levels.length === 0) return "good";
  if (cut.reduce((sum, each) => sum + each, 0) / cut.length > CUT_SHARE) return "loud";
  const louder = [...levels].sort((a, b) => a - b)[Math.floor(levels.length * 0.9)];
  return louder < QUIET ? "quiet" : "good";
}

// Opens the microphone, and names each way in which that can fail.

/** What a browser would do to a voice for a call takes away what is measured here: loudness, jitter, pauses. */
const UNTOUCHED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };

const KINDS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "in-use",
  AbortError: "in-use",
};

export class MicrophoneError extends Error {
  /** `kind`: denied | none | in-use | insecure | unsupported. */
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

/** Why nothing can be recorded here, before anybody is asked for anything; null if it can. */
export function obstacle() {
  if (!window.isSecureContext) return "insecure";
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder || !window.AudioContext) return "unsupported";
  return null;
}

/** Ask for the microphone. Browsers want this to follow from a click. */
export async function openMicrophone() {
  const hindrance = obstacle();
  if (hindrance) throw new MicrophoneError(hindrance);
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: UNTOUCHED });
  } catch (error) {
    const kind = KINDS[error.name];
    if (kind === undefined) throw error;
    throw new MicrophoneError(kind);
  }
}

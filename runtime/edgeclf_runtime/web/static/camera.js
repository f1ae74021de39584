// This device's own camera: shown live, and photographed at its full size.

import { element, make } from "./live.js";

const WANTED = { facingMode: { ideal: "environment" }, width: { ideal: 4096 }, height: { ideal: 3072 } };
const PIXELS = 1 << 24; // maximum size of a photograph
const QUALITY = 0.92;
const REASONS = {
  NotAllowedError: "The browser may not use the camera. Allow it in the site settings, next to the address bar, and try again.",
  NotFoundError: "This device has no camera.",
  NotReadableError: "The camera cannot be read; another program may be using it.",
};

/** A sentence with `commands`, which are not broken where there is room. */
export function setSentence(node, text) {
  node.replaceChildren(...text.split("`").map((part, index) => (index % 2 ? make("kbd", "", part) : part)));
}

/** Why this page cannot use the camera of the device it is shown on; empty where it can. */
export async function reasonAgainst() {
  if (!window.isSecureContext) {
    const { hostname, port } = location;
    return `This device’s own camera: browsers allow it only over HTTPS or from localhost. Start edgeclf capture with \`--tls CERT KEY\`, or run \`ssh -L ${port}:localhost:${port} ${hostname}\` on this device and open \`localhost:${port}\` there.`;
  }
  if (!navigator.mediaDevices?.getUserMedia) return "This browser does not support cameras in pages.";
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => null);
  return devices && !devices.some(({ kind }) => kind === "videoinput") ? REASONS.NotFoundError : "";
}

export class OwnCamera {
  constructor(changed) {
    this.video = element("own");
    this.canvas = document.createElement("canvas");
    this.changed = changed; // called when the camera is turned on or off
    this.against = ""; // why the camera cannot be used
    this.stream = null;
    this.asking = null; // identifies the current request
    this.video.addEventListener("resize", () => this.fit());
  }

  get on() {
    return Boolean(this.stream && this.video.videoWidth);
  }

  /** Ask for it and show it; once more does no harm. */
  async start() {
    if (this.stream || this.asking || this.against) return;
    const asking = {};
    this.asking = asking;
    this.say("Waiting for this device’s camera");
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: WANTED, audio: false });
      if (this.asking !== asking) return end(stream); // another camera was chosen in the meantime
      this.stream = stream;
      stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera was disconnected."));
      this.video.srcObject = stream;
      await this.video.play();
      this.asking = null;
      this.say("");
      this.changed();
    } catch (error) {
      if (this.asking === asking) this.stop(REASONS[error.name] || `The camera cannot be used: ${error.message}`);
    }
  }

  stop(reason = "") {
    if (this.stream) end(this.stream);
    this.stream = null;
    this.asking = null;
    this.video.srcObject = null;
    this.say(reason);
    this.changed();
  }

  /** Show a text instead of its image, with a button to turn it on. */
  say(text) {
    setSentence(element("own-empty"), this.against || text);
    element("turn-on").hidden = Boolean(this.stream || this.asking || this.against);
  }

  /** Off while nobody sees the page, and on again afterwards. */
  rest() {
    this.resting = Boolean(this.stream);
    if (this.resting) this.stop();
  }

  wake() {
    if (this.resting) this.start();
    this.resting = false;
  }

  fit() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth && element("view").classList.contains("own")) element("view").style.aspectRatio = `${videoWidth} / ${videoHeight}`;
  }

  /** What it sees now, as a JPEG of at most so many pixels. */
  async photograph(pixels = PIXELS) {
    const { video, canvas } = this;
    if (!this.on) throw new Error("The camera of this device is off.");
    const scale = Math.min(1, Math.sqrt(pixels / (video.videoWidth * video.videoHeight)));
    canvas.width = Math.floor(video.videoWidth * scale);
    canvas.height = Math.floor(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    if (!blob) throw new Error("The browser could not encode the camera's image as JPEG; try again.");
    return blob;
  }
}

function end(stream) {
  for (const track of stream.getTracks()) track.stop();
}

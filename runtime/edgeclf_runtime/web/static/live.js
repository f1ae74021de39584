// The stream of images and states that all pages read, and shared functions.

const SILENT = 8000; // ms without a message after which the connection counts as lost
export const OLD = 5; // seconds without a frame after which the last one is outdated
const AGAIN = 1500; // ms before the next attempt

export const element = (id) => document.getElementById(id);

export function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The answer of a state; of a model with several labels an image all of them, or "none". */
export const shownAnswer = (told) => (told.answers ? told.answers.join(", ") || "none" : told.answer);

export const percent = (share) => `${Math.round(100 * share)}%`;

/** POST a JSON object or a JPEG; gives the answer's object, throws its sentence. */
export async function post(path, body, patience = 15000) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), patience);
  let answer;
  try {
    const isFile = body instanceof Blob;
    const headers = { "Content-Type": isFile ? "image/jpeg" : "application/json" };
    answer = await fetch(path, { method: "POST", headers, body: isFile ? body : JSON.stringify(body), signal: stop.signal });
  } catch {
    throw new Error("No connection to edgeclf.");
  } finally {
    clearTimeout(timer);
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || `Error ${answer.status}.`);
  return told;
}

let pictures = true; // whether images are wanted
let restart = null; // ends the stream, to restart it with other options

/** Choose whether the stream contains images; a page that shows none does not need them. */
export function wantPictures(wanted) {
  if (wanted === pictures) return;
  pictures = wanted;
  restart?.();
}

/** Follow the stream for ever, but only while somebody can see it: calls on.greeting, on.state, on.lost, and of several
    cameras on.picture. */
export async function watch(on) {
  for (;;) {
    await untilVisible();
    const wanted = pictures;
    try {
      await follow(on);
      on.lost("edgeclf has ended.");
    } catch (error) {
      if (wanted !== pictures) continue;
      if (!document.hidden) on.lost(error.message);
    }
    await new Promise((done) => setTimeout(done, AGAIN));
  }
}

function untilVisible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
}

async function follow(on) {
  const stop = new AbortController();
  restart = () => stop.abort();
  const hide = () => document.hidden && stop.abort();
  document.addEventListener("visibilitychange", hide);
  let timer = setTimeout(() => stop.abort(), SILENT);
  try {
    const answer = await fetch(pictures ? "live" : "live?pictures=none", { signal: stop.signal }).catch(() => null);
    if (!answer) throw new Error("No connection to edgeclf.");
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `Error ${answer.status}.`);
    let greeted = false;
    for await (const [told, picture] of messages(answer.body.getReader())) {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), SILENT);
      if (greeted) on.state(told);
      else on.greeting(told);
      greeted = true;
      if (picture.length && on.picture) on.picture(picture, told.picture);
      else if (picture.length) show(picture);
    }
  } catch (error) {
    throw error.name === "AbortError" || error instanceof TypeError ? new Error("The connection was lost.") : error;
  } finally {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", hide);
    stop.abort();
  }
}

/** Each message is the length and bytes of a JSON object, then the length and bytes of a JPEG, or 0. */
async function* messages(reader) {
  let kept = new Uint8Array(0);
  const take = async (size) => {
    while (kept.length < size) {
      const { done, value } = await reader.read();
      if (done) return null;
      const joined = new Uint8Array(kept.length + value.length);
      joined.set(kept);
      joined.set(value, kept.length);
      kept = joined;
    }
    const taken = kept.subarray(0, size);
    kept = kept.subarray(size);
    return taken;
  };
  const part = async () => {
    const size = await take(4);
    return size && take(new DataView(size.buffer, size.byteOffset).getUint32(0));
  };
  for (;;) {
    const text = await part();
    const picture = text && (await part());
    if (!picture) return;
    yield [JSON.parse(new TextDecoder().decode(text)), picture.slice()];
  }
}

/** Show a JPEG in an image, and forget the one before. */
export function showIn(image, bytes) {
  const before = image.src;
  image.src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  image.hidden = false;
  if (before) setTimeout(() => URL.revokeObjectURL(before), 1000);
}

function show(bytes) {
  const image = element("picture");
  image.onload = () => {
    const view = element("view");
    if (!view.classList.contains("own")) view.style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`;
  };
  showIn(image, bytes);
  element("empty").hidden = true;
}

const STATES = { running: "good", opening: "warn", stalled: "warn", frozen: "warn", lost: "bad", closed: "bad" };

/** The source's state in the header, and what is wrong with it in the notice. */
export function showSource(told) {
  const { state, reason, reopened } = told.source;
  const silent = state === "running" && told.silence > OLD;
  const pill = element("source");
  pill.className = `pill ${silent ? "warn" : STATES[state] || ""}`;
  setText(pill, silent ? "no new frame" : state);
  pill.title = reopened ? `opened again ${reopened} times` : "";
  element("view").classList.toggle("old", state === "lost" || state === "stalled" || state === "frozen");
  return state === "running" ? "" : reason;
}

/** A sentence above everything; an empty one takes it away. */
export function notice(text, bad = false) {
  const place = element("notice");
  setText(place, text);
  place.classList.toggle("bad", bad);
  place.hidden = !text;
}

/** What both pages say when the stream is gone. */
export function lost(text) {
  notice(`${text} Trying again.`, true);
  element("source").className = "pill bad";
  setText(element("source"), "disconnected");
  element("view").classList.add("old");
}

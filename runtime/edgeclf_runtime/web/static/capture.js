import { markZone, offerZones } from "./capture_zones.js";
import { OwnCamera, reasonAgainst, setSentence } from "./camera.js";
import { element, lost, make, notice, post, setText, showSource, wantPictures, watch } from "./live.js";
import { Lesson, classLabel } from "./lesson.js";
import { Recent } from "./recent.js";

const STILL = 400; // ms between two messages that a button is still held
const LATE = 1000; // ms after which a press that could not be sent is dropped: the view has changed
const SWIPE = 120; // ms in which a touch that begins on a button may turn out to be a swipe over the page
const SAME = 300; // ms after a release in which a click belongs to it
const GOOD = 100; // images of a class that are enough to begin with
const GOOD_TO_TEACH = 10; // the same, if only the last layer is fitted
const EVERY = 200; // ms between two photographs of this device's camera
const PATIENCE = 45000; // ms for sending one

let names = [];
let held = "";
let press = null; // id of the press, and the key that holds it
let lifted = -SAME;
let timer = 0;
let busy = 0;
let told = Promise.resolve();
let sending = 0; // photographs
let isOwn = false; // this device's camera is in use
const own = new OwnCamera(showOwn);
const recent = new Recent(problem);
const lesson = new Lesson(own, problem);
let good = GOOD;

const ADVICE = "About ten images of each class are a good start. Vary the position of the object, the light and the background, and take images of nothing of interest with the button “None of these”. The model file is next to the images:";

const quoted = (path) => (/^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

function greeting(about) {
  const { folder } = about;
  setText(element("folder"), folder);
  setText(element("command"), `edgeclf train ${quoted(folder)} ${about.train_options}`.trimEnd());
  lesson.begin(about.model);
  if (about.model) {
    good = GOOD_TO_TEACH;
    setText(element("title"), "Teach a model");
    setText(element("command"), `edgeclf run ${quoted(about.model)}`);
    setText(element("advice"), ADVICE);
  }
  recent.begin();
  offerZones(about.zones, lift, problem);
  if (!about.camera) use(true, own.on);
  offer(about);
}

function state(now) {
  const [reason, trouble] = isOwn ? ["", ""] : [showSource(now), now.trouble];
  notice(trouble || reason, Boolean(trouble));
  showOwn();
  markZone(now.zone);
  show(now.classes);
  lesson.show(now.lesson, now.classes);
  recent.show(now.recent, now.last);
}

/** The choice of a camera, or why there is none. */
async function offer({ camera, host, view }) {
  own.against = await reasonAgainst();
  setText(element("use-theirs"), host ? `Camera of ${host}` : "The other camera");
  element("cameras").hidden = Boolean(own.against) || !camera;
  if (own.against) own.say("");
  const whole = view ? `Images from this device’s camera are not cropped: ${view} applies to the other camera only.` : "";
  const why = !own.against ? whole : camera && !window.isSecureContext ? own.against : "";
  setSentence(element("about-cameras"), why);
  element("about-cameras").hidden = !why;
}

function use(wanted, start) {
  lift();
  isOwn = wanted;
  lesson.isOwn = isOwn;
  element("view").classList.toggle("own", isOwn);
  element("use-own").setAttribute("aria-pressed", String(isOwn));
  element("use-theirs").setAttribute("aria-pressed", String(!isOwn));
  wantPictures(!isOwn);
  element("view").style.aspectRatio = "";
  if (isOwn && start) own.start();
  if (!isOwn) own.stop();
}

function showOwn() {
  if (!isOwn) return;
  element("source").className = `pill ${own.on ? "good" : ""}`;
  setText(element("source"), own.on ? "this device" : "camera off");
  element("view").classList.remove("old");
}

function show(classes) {
  const place = element("classes");
  if (classes.map(([name]) => name).join("/") !== names.join("/")) {
    names = classes.map(([name]) => name);
    lift();
    place.replaceChildren(...names.map(button));
  }
  classes.forEach(([name, count], index) => {
    const row = place.children[index];
    setText(row.querySelector(".count"), String(count));
    row.querySelector(".track i").style.width = `${Math.min(100, (100 * count) / good)}%`;
    row.setAttribute("aria-label", `${classLabel(name)}, ${images(count)}`);
  });
  const total = classes.reduce((sum, [, count]) => sum + count, 0);
  setText(element("total"), names.length ? images(total) : "");
  const hint = names.length < 2 ? "Add two or more classes, then show" : "Show";
  const key = matchMedia("(hover: hover)").matches ? ", or its number key" : "";
  setText(element("none"), `No images since edgeclf started. ${hint} the camera an object and hold the button of its class${key}.`);
}

const images = (count) => `${count.toLocaleString("en")} ${count === 1 ? "image" : "images"}`;

function button(name, index) {
  const row = make("button", "class");
  row.type = "button";
  row.dataset.name = name;
  const track = make("span", "track");
  track.append(make("i"));
  row.append(make("span", "key", index < 9 ? String(index + 1) : "·"), make("span", "name", classLabel(name)), make("span", "count"), track);
  let touched = 0;
  row.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (event.pointerType === "touch") {
      touched = setTimeout(() => {
        touched = 0;
        begin(name);
      }, SWIPE);
      return;
    }
    row.setPointerCapture(event.pointerId);
    begin(name);
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
    row.addEventListener(kind, () => {
      if (touched && kind === "pointerup") begin(name); // a short touch; otherwise the press has begun already
      clearTimeout(touched);
      touched = 0;
      lift();
    });
  }
  row.addEventListener("touchmove", (event) => held && event.preventDefault(), { passive: false });
  row.addEventListener("contextmenu", (event) => event.preventDefault());
  row.addEventListener("click", (event) => {
    // From assistive software, without a pointer or a key.
    if (event.detail || held || performance.now() - lifted < SAME) return;
    begin(name);
    lift();
  });
  return row;
}

function begin(name, code = "") {
  if (held === name) return;
  lift();
  held = name;
  press = { id: `${Date.now()}-${Math.random()}`, code };
  mark();
  if (isOwn) return photograph(name, press);
  tell("hold", { name, press: press.id });
  timer = setInterval(() => busy || tell("hold", { name, press: press.id }), STILL);
}

function lift() {
  if (!held) return;
  clearInterval(timer);
  held = "";
  lifted = performance.now();
  mark();
  if (!isOwn) tell("release", { press: press.id });
}

function underWay(more) {
  sending += more;
  element("classes").setAttribute("aria-busy", String(sending > 0));
}

/** With this device's camera: one image at once, and more while the button is held. */
async function photograph(name, { id }) {
  do {
    const next = new Promise((done) => setTimeout(done, EVERY));
    underWay(1);
    try {
      await post(`photograph?${new URLSearchParams({ name, press: id })}`, await own.photograph(), PATIENCE);
      problem("");
    } catch (error) {
      return problem(error.message);
    } finally {
      underWay(-1);
    }
    await next;
  } while (held && press.id === id);
}

function mark() {
  for (const row of element("classes").children) row.classList.toggle("held", row.dataset.name === held);
}

/** One after the other, so that the word of letting go is the last. */
function tell(path, body) {
  const asked = performance.now();
  busy += 1;
  told = told
    .then(() => path === "hold" && performance.now() - asked > LATE ? null : post(path, body, STILL * 4))
    .then(() => problem(""), (error) => problem(error.message))
    .finally(() => (busy -= 1));
}

function problem(text) {
  setText(element("problem"), text);
  element("problem").hidden = !text;
}

function keyed(event) {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return "";
  const own = event.target.closest?.(".class");
  if (own && (event.key === " " || event.key === "Enter")) return own.dataset.name;
  return /^[1-9]$/.test(event.key) ? names[event.key - 1] || "" : "";
}

document.addEventListener("keydown", (event) => {
  const name = keyed(event);
  if (!name) return;
  event.preventDefault();
  if (!event.repeat) begin(name, event.code);
});
document.addEventListener("keyup", (event) => {
  if (!held || event.code !== press.code) return; // whatever else is pressed, or has the focus, by now
  event.preventDefault();
  lift();
});
document.addEventListener("focusin", (event) => event.target.tagName === "INPUT" && lift());
window.addEventListener("blur", lift);
document.addEventListener("visibilitychange", lift);

element("adding").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await post("classes", { name: element("name").value });
    element("name").value = "";
    problem("");
  } catch (error) {
    problem(error.message);
  }
});

element("use-own").addEventListener("click", () => use(true, true));
element("use-theirs").addEventListener("click", () => use(false, false));
element("turn-on").addEventListener("click", () => own.start());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) own.rest();
  else own.wake();
});

watch({ greeting, state, lost });

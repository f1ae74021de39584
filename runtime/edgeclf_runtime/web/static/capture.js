import { element, lost, make, notice, post, setText, showSource, watch } from "./live.js";

const STILL = 400; // ms between two words that a button is still held
const LATE = 1000; // ms after which a press that could not be sent is none: the view has changed
const SWIPE = 120; // ms in which a touch that begins on a button may turn out to be a swipe over the page
const SAME = 300; // ms after a release in which a click belongs to it
const GOOD = 100; // pictures of a class that are enough to begin with
const STRIP = 12; // pictures shown
const HEIGHT = 144; // pixels of one of them

let names = [];
let taken = null;
let held = "";
let press = null; // what tells it from others, and by which key it is held
let lifted = -SAME;
let timer = 0;
let busy = 0;
let told = Promise.resolve();

function greeting({ folder }) {
  setText(element("folder"), folder);
  setText(element("command"), `edgeclf train ${/^[\w./~-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`}`);
  taken = null;
}

function state(now) {
  notice(now.trouble || showSource(now), Boolean(now.trouble));
  if (now.trouble) showSource(now);
  show(now.classes);
  if (taken !== null && now.taken > taken) keep();
  taken = now.taken;
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
    row.querySelector(".track i").style.width = `${Math.min(100, (100 * count) / GOOD)}%`;
    row.setAttribute("aria-label", `${name}, ${count} pictures`);
  });
  const total = classes.reduce((sum, [, count]) => sum + count, 0);
  setText(element("total"), names.length ? `${total.toLocaleString("en")} pictures` : "");
}

function button(name, index) {
  const row = make("button", "class");
  row.type = "button";
  row.dataset.name = name;
  const track = make("span", "track");
  track.append(make("i"));
  row.append(make("span", "key", index < 9 ? String(index + 1) : "·"), make("span", "name", name), make("span", "count"), track);
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
      if (touched && kind === "pointerup") begin(name); // a short one; otherwise it is begun already
      clearTimeout(touched);
      touched = 0;
      lift();
    });
  }
  row.addEventListener("touchmove", (event) => held && event.preventDefault(), { passive: false });
  row.addEventListener("contextmenu", (event) => event.preventDefault());
  row.addEventListener("click", (event) => {
    // Of a program that reads or hears, without a pointer or a key.
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
  tell("hold", { name, press: press.id });
  timer = setInterval(() => busy || tell("hold", { name, press: press.id }), STILL);
}

function lift() {
  if (!held) return;
  clearInterval(timer);
  held = "";
  lifted = performance.now();
  mark();
  tell("release", { press: press.id });
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

/** Show that one was written, by the picture on the page: near enough to it. */
function keep() {
  const picture = element("picture");
  if (picture.complete && picture.naturalWidth) draw(picture);
  else picture.addEventListener("load", () => draw(picture), { once: true });
  element("none").hidden = true;
  element("undo").disabled = false;
  element("view").classList.add("flash");
  setTimeout(() => element("view").classList.remove("flash"), 80);
}

function draw(picture) {
  const strip = element("strip");
  const canvas = make("canvas");
  canvas.height = HEIGHT;
  canvas.width = Math.round((HEIGHT * picture.naturalWidth) / picture.naturalHeight);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  strip.prepend(canvas);
  while (strip.children.length > STRIP) strip.lastChild.remove();
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

element("undo").addEventListener("click", async () => {
  try {
    const { removed } = await post("undo", {});
    for (let index = 0; index < removed; index += 1) element("strip").firstChild?.remove();
    element("undo").disabled = true;
    problem("");
  } catch (error) {
    problem(error.message);
  }
});

watch({ greeting, state, lost });

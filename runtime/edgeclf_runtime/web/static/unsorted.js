// Uncertain snapshots: a click moves one into a label's folder, or discards one or several.

import { element, make, percent, post, setText } from "./live.js";

const EVERY = 5000; // ms between two checks for new ones
const CALM = 4000; // ms without user input after which the images may be rearranged
const REST = 20000; // ms while the mouse rests on them
const CHIPS = 8; // up to this many labels, each has a button; otherwise the likely ones do, and a field takes the others
const NOTHING = "_none"; // the folder for images of none of the classes
const SAID = 8000; // ms until a message disappears
const SIGNS = ["pointermove", "pointerdown", "keydown", "input", "focusin"];

export class Unsorted {
  constructor() {
    this.labels = [];
    this.used = [];
    this.undo = null;
    this.timer = 0;
    this.sign = -REST;
    this.sorting = new Set(); // names of images that are being moved
    this.selected = new Set();
    element("undo").addEventListener("click", () => this.takeBack());
    element("select-all").addEventListener("click", () => this.selectAll());
    element("discard").addEventListener("click", () => this.discard([...this.selected]));
    for (const kind of SIGNS) element("pictures").addEventListener(kind, () => (this.sign = performance.now()));
  }

  begin(labels) {
    if (labels.join("\n") !== this.labels.join("\n")) element("pictures").replaceChildren(); // their buttons
    this.labels = labels;
    element("labels").replaceChildren(...labels.map((label) => Object.assign(make("option"), { value: label })));
    element("unsorted").hidden = false;
    clearInterval(this.timer);
    this.timer = setInterval(() => document.hidden || this.look(), EVERY);
    this.look();
  }

  async look() {
    const answer = await fetch("snapshots.json").catch(() => null);
    if (answer && answer.ok) this.show(await answer.json());
  }

  show({ count, pictures: images }) {
    const names = new Set(images.map((image) => image.name));
    const last = count > images.length ? images[images.length - 1] : null; // older ones exist but are not listed
    for (const figure of element("pictures").children) {
      const { name } = figure.dataset;
      leave(figure, this.sorting.has(name) || !(names.has(name) || (last && isOlder(figure.dataset, last))));
    }
    if (!this.busy()) this.lay(images, names);
    this.count();
    element("none").hidden = count > 0;
    const more = count > images.length ? ` (newest ${images.length} shown)` : "";
    setText(element("waiting"), count ? `${count} to sort${more}` : "");
  }

  /** Whether somebody is pointing, typing or selecting: if the images moved now, a click could hit the wrong one. */
  busy() {
    const place = element("pictures");
    if (!live().length) return false;
    if (this.selected.size) return true;
    const typing = place.contains(document.activeElement) && document.activeElement.value;
    const mouse = matchMedia("(hover: hover)").matches && place.matches(":hover");
    return Boolean(typing) || performance.now() - this.sign < (mouse ? REST : CALM);
  }

  /** Images that stay are not removed and inserted again, because the focused element would lose the focus. */
  lay(images, names) {
    const place = element("pictures");
    const known = new Map([...place.children].map((figure) => [figure.dataset.name, figure]));
    for (const [name, figure] of known) if (!names.has(name)) figure.remove();
    images.forEach((picture, index) => {
      const there = place.children[index] || null;
      if (there?.dataset.name !== picture.name) place.insertBefore(known.get(picture.name) || this.figure(picture), there);
    });
  }

  figure(picture) {
    const figure = make("figure");
    figure.tabIndex = -1;
    figure.dataset.name = picture.name;
    figure.dataset.number = picture.number;
    const image = make("img");
    image.loading = "lazy";
    image.alt = `Classified as ${picture.answer}`;
    image.src = `snapshots/${encodeURIComponent(picture.name)}`;
    const caption = make("figcaption");
    caption.append(make("span", "", `${picture.unfamiliar ? "unfamiliar" : picture.answer} · ${percent(picture.score)}`), make("span", "muted", moment(picture.name)));
    figure.append(this.marked(image, picture.name), caption, this.chips(picture, figure));
    return figure;
  }

  /** The image with a button that selects it and one that discards it. */
  marked(image, name) {
    const shot = make("div", "shot");
    const select = make("button", "mark select", "✓");
    select.setAttribute("aria-label", "Select");
    select.setAttribute("aria-pressed", "false");
    select.addEventListener("click", () => this.select(name, !this.selected.has(name)));
    const discard = make("button", "mark discard", "✕");
    discard.setAttribute("aria-label", "Discard");
    discard.title = "Discard";
    discard.addEventListener("click", (event) => this.discard([name], event.detail ? "" : "figure"));
    for (const button of [select, discard]) button.type = "button";
    shot.append(image, select, discard);
    return shot;
  }

  select(name, chosen) {
    if (chosen) this.selected.add(name);
    else this.selected.delete(name);
    this.count();
  }

  selectAll() {
    const names = live().map((figure) => figure.dataset.name);
    const all = names.every((name) => this.selected.has(name));
    for (const name of names) this.select(name, !all);
  }

  /** Update the selection: images that are gone are no longer selected. */
  count() {
    const figures = live();
    const names = new Set(figures.map((figure) => figure.dataset.name));
    for (const name of this.selected) if (!names.has(name)) this.selected.delete(name);
    for (const figure of element("pictures").children) {
      const chosen = this.selected.has(figure.dataset.name);
      figure.classList.toggle("selected", chosen);
      figure.querySelector(".select").setAttribute("aria-pressed", String(chosen));
    }
    const { size } = this.selected;
    element("select-all").hidden = !figures.length;
    setText(element("select-all"), size && size === figures.length ? "Select none" : "Select all");
    element("discard").hidden = !size;
    setText(element("discard"), `Discard ${size}`);
  }

  chips(picture, figure) {
    const chips = make("form", "chips");
    const few = this.labels.length <= CHIPS;
    const likely = this.labels.includes(picture.answer) ? [picture.answer] : [];
    const known = few ? this.labels : [...new Set([...likely, ...this.used])].slice(0, 4);
    for (const label of [...known.filter((one) => one !== NOTHING), NOTHING]) {
      const chip = make("button", label === picture.answer ? "chip likely" : "chip", label === NOTHING ? "None of these" : label);
      chip.type = "button";
      if (label === NOTHING) chip.title = `Move to ${NOTHING}: after training, the answer to such images is "unknown"`;
      chip.addEventListener("click", (event) => this.sort(picture, label, figure, event.detail ? "" : "figure"));
      chips.append(chip);
    }
    const other = make("input");
    other.placeholder = few ? "Other" : "Label";
    other.enterKeyHint = "done";
    other.setAttribute("list", "labels");
    other.setAttribute("aria-label", "Another label, then Enter");
    // Accept Enter or a choice from the list, which arrives as one input event; ignore half-typed text when the focus leaves.
    other.addEventListener("input", (event) => {
      const chosen = !event.inputType || event.inputType === "insertReplacementText";
      if (chosen && this.labels.includes(other.value)) this.sort(picture, other.value, figure, "input");
    });
    chips.addEventListener("submit", (event) => {
      event.preventDefault();
      if (other.value.trim()) this.sort(picture, other.value.trim(), figure, "input");
    });
    chips.append(other);
    return chips;
  }

  async sort(picture, label, figure, next = "") {
    await this.move([figure], next, async () => {
      const body = { name: picture.name, label };
      const { folder } = await post("sort", body);
      this.used = [label, ...this.used.filter((one) => one !== label)].slice(0, 4);
      this.say(`Moved to ${folder}.`, () => post("unsort", body));
    });
  }

  async discard(names, next = "") {
    const figures = live().filter((figure) => names.includes(figure.dataset.name));
    await this.move(figures, next, async () => {
      const { count } = await post("discard", { names });
      this.say(count === 1 ? "Discarded." : `${count} discarded.`, () => post("restore", { names }));
    });
  }

  /** Move images. If a key did it, the focus goes to the next image (not to its label, which a held key would press). */
  async move(figures, next, work) {
    for (const figure of figures) {
      this.sorting.add(figure.dataset.name);
      leave(figure, true);
    }
    this.count();
    if (next) {
      const after = live().find((one) => figures[0].compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) || live()[0];
      (next === "input" ? after?.querySelector("input") : after)?.focus();
    }
    try {
      await work();
    } catch (error) {
      for (const figure of figures) leave(figure, false);
      this.say(error.message);
    }
    for (const figure of figures) this.sorting.delete(figure.dataset.name);
    this.look();
  }

  async takeBack() {
    const { undo } = this;
    if (!undo) return;
    this.undo = null; // another click has nothing to undo
    try {
      await undo();
      this.say("Moved back.");
    } catch (error) {
      this.say(error.message);
    }
    element("pictures").replaceChildren();
    this.look();
  }

  say(text, undo = null) {
    this.undo = undo;
    setText(element("said"), text);
    element("undo").hidden = !undo;
    element("toast").hidden = false;
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => (element("toast").hidden = true), SAID);
  }
}

/** The figures of images that are not being moved. */
function live() {
  return [...element("pictures").querySelectorAll("figure:not(.leaving)")];
}

/** Dim a figure and make it inert; it keeps its place until the others may move up. */
function leave(figure, leaving) {
  figure.classList.toggle("leaving", leaving);
  figure.inert = leaving;
}

/** Compare by number, because a clock may have been wrong; names written by 0.1 have none and are older. */
function isOlder(one, other) {
  return Number(one.number) === other.number ? one.name < other.name : one.number < other.number;
}

/** The time of day in a snapshot's name, which is in UTC. */
function moment(name) {
  const [, year, month, day, hour, minute, second] = name.match(/^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/);
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toTimeString().slice(0, 5) : `${date.getDate()}.${date.getMonth() + 1}. ${date.toTimeString().slice(0, 5)}`;
}

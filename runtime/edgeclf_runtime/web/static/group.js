// A card: images that are alike, and the classes they may go to.

import { make, percent, setText } from "./live.js";

export const NOTHING = "_none"; // the folder for images of none of the classes
const SHOWN = 12; // images of a group before "Show all"
const KEYS = 9; // classes with a key of their own
const SPACE = "\u00a0"; // that does not break a line
export const CHIPS = 12; // classes with a button; the field takes the others

export class Card {
  /** on: sort(card, label), discard(card), enlarge(id), choose(card). */
  constructor(group, on) {
    this.id = group.id;
    this.on = on;
    this.spared = new Set(); // images that a click leaves where they are
    this.all = false;
    this.node = make("section", "card group");
    this.node.tabIndex = -1;
    this.node.dataset.id = group.id;
    this.title = make("h2");
    this.about = make("span", "muted small");
    const head = make("div", "head");
    head.append(this.title, this.about);
    this.images = make("div", "shots");
    this.more = make("button", "button small");
    this.more.type = "button";
    this.more.addEventListener("click", () => this.showAll());
    this.chips = make("form", "chips");
    this.chips.addEventListener("submit", (event) => this.typed(event));
    this.node.append(head, this.images, this.more, this.chips);
    this.node.addEventListener("pointerdown", () => on.choose(this));
    this.node.addEventListener("focusin", () => on.choose(this));
  }

  /** Images that the next click moves. */
  get chosen() {
    return this.group.images.filter((id) => !this.spared.has(id));
  }

  show(group, classes) {
    this.group = group;
    this.classes = classes;
    for (const id of this.spared) if (!group.images.includes(id)) this.spared.delete(id);
    this.showTitle();
    this.showImages();
    this.showChips();
  }

  showTitle() {
    const { count, proposal, score, familiarity, devices, times } = this.group;
    const spared = this.spared.size ? `, ${this.spared.size} left out` : "";
    setText(this.title, count === 1 ? "One image" : `${count} alike${spared}`);
    const proposed = proposal && `${proposal === NOTHING ? "none of these" : proposal}${score === null ? "" : ` ${percent(score)}`}`;
    const known = familiarity === null ? "" : `familiarity ${percent(familiarity)}`;
    setText(this.about, [proposed, known, devices.join(", "), times && span(times)].filter(Boolean).join(" · "));
  }

  showImages() {
    const { images } = this.group;
    const shown = this.all ? images : images.slice(0, SHOWN);
    const there = new Map([...this.images.children].map((figure) => [figure.dataset.id, figure]));
    const figures = shown.map((id) => there.get(id) || this.figure(id));
    if (figures.length !== there.size || figures.some((figure, index) => this.images.children[index] !== figure)) this.images.replaceChildren(...figures);
    for (const figure of figures) {
      const spared = this.spared.has(figure.dataset.id);
      figure.classList.toggle("spared", spared);
      figure.firstChild.setAttribute("aria-pressed", String(!spared));
    }
    this.more.hidden = shown.length === images.length;
    setText(this.more, `Show all ${images.length}`);
  }

  figure(id) {
    const figure = make("figure", "shot");
    figure.dataset.id = id;
    const toggle = make("button", "pick");
    toggle.type = "button";
    toggle.title = "Exclude from this group, or include again";
    const image = make("img");
    image.loading = "lazy";
    image.alt = "";
    image.src = `images/${id}.jpg`;
    toggle.append(image);
    toggle.addEventListener("click", () => this.spare(id));
    const large = make("button", "mark enlarge", "⤢");
    large.type = "button";
    large.setAttribute("aria-label", "Enlarge");
    large.addEventListener("click", () => this.on.enlarge(id));
    figure.append(toggle, large);
    return figure;
  }

  spare(id) {
    if (!this.spared.delete(id)) this.spared.add(id);
    this.showTitle();
    this.showImages();
    this.showChips();
  }

  showAll() {
    this.all = true;
    this.showImages();
  }

  /** The proposal first, then the classes in an order that stays, so that hand and key find them again. */
  showChips() {
    const { proposal } = this.group;
    const key = JSON.stringify([proposal, this.classes, this.chosen.length]);
    if (key === this.chipsKey) return;
    this.chipsKey = key;
    const typed = this.chips.querySelector("input");
    const buttons = this.classes.map((label, index) => [label, index < KEYS ? String(index + 1) : ""]);
    const first = buttons.filter(([label]) => label === proposal);
    const others = buttons.filter(([label]) => label !== proposal && label !== NOTHING).slice(0, CHIPS);
    const chips = [...first.filter(([label]) => label !== NOTHING), ...others].map(([label, number]) => this.chip(label, label, number));
    const none = this.chip(NOTHING, "None of these", "0");
    none.title = `Move to ${NOTHING}: after training, the answer to such images is "unknown"`;
    const discard = this.button("chip discard", "Discard", "d", () => this.on.discard(this));
    this.chips.replaceChildren(...chips, none, typed || this.field(), discard);
    for (const button of this.chips.querySelectorAll("button")) button.disabled = !this.chosen.length;
  }

  chip(label, text, key) {
    const likely = label === this.group.proposal;
    return this.button(likely ? "chip likely" : "chip", text, key, () => this.on.sort(this, label), label);
  }

  button(className, text, key, work, label = "") {
    const button = make("button", className, text);
    button.type = "button";
    button.dataset.label = label;
    if (key) button.append(" ", make("kbd", "muted", key));
    button.addEventListener("click", work);
    return button;
  }

  field() {
    const field = make("input");
    field.placeholder = "New class";
    field.enterKeyHint = "done";
    field.setAttribute("list", "labels");
    field.setAttribute("aria-label", "Another class, then Enter");
    return field;
  }

  typed(event) {
    event.preventDefault();
    const field = this.chips.querySelector("input");
    const label = field.value.trim();
    if (label && this.chosen.length) this.on.sort(this, label);
    field.value = "";
    field.blur();
  }
}

/** The days and times of the first and the last image, in the time of this browser; each on one line. */
function span([first, last]) {
  const [from, to] = [moment(first), moment(last)];
  if (from === to) return from;
  const [day, time] = to.split(SPACE);
  return from.startsWith(day) ? `${from}–${time}` : `${from} – ${to}`;
}

function moment(seconds) {
  const date = new Date(1000 * seconds);
  return `${date.getDate()}.${date.getMonth() + 1}.${SPACE}${date.toTimeString().slice(0, 5)}`;
}

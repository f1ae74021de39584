// Uncertain snapshots, each moved into a label's folder with a click.

import { element, make, percent, post, setText } from "./live.js";

const EVERY = 5000; // ms between two looks for new ones
const CHIPS = 8; // labels that have a button each; of more, the likely ones and a field to type in
const SAID = 8000; // ms a message stays

export class Unsorted {
  constructor() {
    this.labels = [];
    this.used = [];
    this.undo = null;
    this.timer = 0;
    element("undo").addEventListener("click", () => this.takeBack());
  }

  begin(labels) {
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

  show({ count, pictures }) {
    const place = element("pictures");
    const known = new Map([...place.children].map((figure) => [figure.dataset.name, figure]));
    const wanted = pictures.map((picture) => known.get(picture.name) || this.figure(picture));
    if (wanted.some((figure, index) => place.children[index] !== figure) || place.children.length !== wanted.length) {
      place.replaceChildren(...wanted);
    }
    element("none").hidden = count > 0;
    const more = count > pictures.length ? `, the newest ${pictures.length} shown` : "";
    setText(element("waiting"), count ? `${count} to be sorted${more}` : "");
  }

  figure(picture) {
    const figure = make("figure");
    figure.dataset.name = picture.name;
    const image = make("img");
    image.loading = "lazy";
    image.alt = `Said ${picture.answer}`;
    image.src = `snapshots/${encodeURIComponent(picture.name)}`;
    const caption = make("figcaption");
    caption.append(make("span", "", `${picture.answer} · ${percent(picture.score)}`), make("span", "muted", moment(picture.name)));
    figure.append(image, caption, this.chips(picture, figure));
    return figure;
  }

  chips(picture, figure) {
    const chips = make("div", "chips");
    const few = this.labels.length <= CHIPS;
    const likely = this.labels.includes(picture.answer) ? [picture.answer] : [];
    const offered = few ? this.labels : [...new Set([...likely, ...this.used])].slice(0, 4);
    for (const label of offered) {
      const chip = make("button", label === picture.answer ? "chip likely" : "chip", label);
      chip.type = "button";
      chip.addEventListener("click", () => this.sort(picture, label, figure));
      chips.append(chip);
    }
    const other = make("input");
    other.placeholder = few ? "Other" : "Label";
    other.setAttribute("list", "labels");
    other.setAttribute("aria-label", "Another label");
    other.addEventListener("change", () => other.value.trim() && this.sort(picture, other.value, figure));
    chips.append(other);
    return chips;
  }

  async sort(picture, label, figure) {
    figure.classList.add("leaving");
    try {
      const { folder } = await post("sort", { name: picture.name, label });
      this.used = [label, ...this.used.filter((one) => one !== label)].slice(0, 4);
      this.say(`Moved to ${folder}.`, { name: picture.name, label });
    } catch (error) {
      figure.classList.remove("leaving");
      this.say(error.message);
    }
    this.look();
  }

  async takeBack() {
    try {
      await post("unsort", this.undo);
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

/** The time of day in a snapshot's name, which is in UTC. */
function moment(name) {
  const [, year, month, day, hour, minute, second] = name.match(/^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/);
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toTimeString().slice(0, 5) : `${date.getDate()}.${date.getMonth() + 1}. ${date.toTimeString().slice(0, 5)}`;
}

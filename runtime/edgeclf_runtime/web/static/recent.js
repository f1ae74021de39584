// The latest images, from any page and camera, and the button that deletes those of the last press.

import { classLabel } from "./lesson.js";
import { element, make, post, setText } from "./live.js";

const FLASH = 80; // ms

export class Recent {
  constructor(problem) {
    this.last = { press: "", count: 0 }; // what the button deletes
    this.newest = null; // number of the newest image
    element("undo").addEventListener("click", () => this.takeBack(problem));
  }

  /** After a reconnect: a restarted server counts its images from one again. */
  begin() {
    this.newest = null;
    element("strip").replaceChildren();
  }

  show(images, last) {
    this.last = last;
    setText(element("undo"), last.count ? `Undo ${last.count}` : "Undo");
    element("undo").disabled = !last.count;
    element("none").hidden = images.length > 0;
    const strip = element("strip");
    const shown = new Map([...strip.children].map((figure) => [Number(figure.dataset.number), figure]));
    const figures = images.map(([number, name]) => shown.get(number) || thumbnail(number, name));
    if (figures.length !== shown.size || figures.some((figure, index) => strip.children[index] !== figure)) strip.replaceChildren(...figures);
    const newest = images.length ? images[0][0] : 0;
    if (this.newest !== null && newest > this.newest) flash();
    this.newest = Math.max(this.newest, newest);
  }

  async takeBack(problem) {
    try {
      const { removed } = await post("undo", { press: this.last.press });
      problem(removed ? "" : "These images are already deleted.");
    } catch (error) {
      problem(error.message);
    }
  }
}

function thumbnail(number, name) {
  const figure = make("figure");
  figure.dataset.number = number;
  const image = make("img");
  image.alt = "";
  image.src = `recent/${number}.jpg`;
  figure.append(image, make("figcaption", "", classLabel(name)));
  return figure;
}

function flash() {
  element("view").classList.add("flash");
  setTimeout(() => element("view").classList.remove("flash"), FLASH);
}

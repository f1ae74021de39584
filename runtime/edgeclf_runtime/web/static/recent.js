// The pictures that were written last, by whichever page and camera, and the button that takes the newest back.

import { element, make, post, setText } from "./live.js";

const FLASH = 80; // ms

export class Recent {
  constructor(problem) {
    this.last = { press: "", count: 0 }; // what the button removes
    this.newest = null; // number of the newest picture
    element("undo").addEventListener("click", () => this.takeBack(problem));
  }

  /** Another server may number its pictures as the one before did. */
  begin() {
    this.newest = null;
    element("strip").replaceChildren();
  }

  show(pictures, last) {
    this.last = last;
    setText(element("undo"), last.count ? `Take back ${last.count}` : "Take back");
    element("undo").disabled = !last.count;
    element("none").hidden = pictures.length > 0;
    const strip = element("strip");
    const shown = new Map([...strip.children].map((figure) => [Number(figure.dataset.number), figure]));
    const figures = pictures.map(([number, name]) => shown.get(number) || thumbnail(number, name));
    if (figures.length !== shown.size || figures.some((figure, index) => strip.children[index] !== figure)) strip.replaceChildren(...figures);
    const newest = pictures.length ? pictures[0][0] : 0;
    if (this.newest !== null && newest > this.newest) flash();
    this.newest = Math.max(this.newest, newest);
  }

  async takeBack(problem) {
    try {
      const { removed } = await post("undo", { press: this.last.press });
      problem(removed ? "" : "These pictures are gone already.");
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
  figure.append(image, make("figcaption", "", name));
  return figure;
}

function flash() {
  element("view").classList.add("flash");
  setTimeout(() => element("view").classList.remove("flash"), FLASH);
}

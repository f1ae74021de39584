// Teach the images on this page: the buttons, the live answer, and how sure the model is.

import { showBars } from "./bars.js";
import { element, make, percent, post, setText } from "./live.js";

const NOTHING = "_none"; // the class for images of none of the others
const ASK = 300; // ms between two answers to this device's camera
const SMALL = 640 * 480; // pixels of an image that is only answered to
const WHY = { unfamiliar: "Unlike the images that were taught, or none of these", undecided: "No answer is sure enough" };

/** The name of a class as people read it. */
export const classLabel = (name) => (name === NOTHING ? "None of these" : name);

export class Lesson {
  constructor(own, problem) {
    this.own = own; // this device's camera
    this.problem = problem;
    this.isOwn = false; // whether that is in use
    this.version = null; // of the model whose report is shown
    this.has = false; // whether there is a model
    this.enough = false; // whether there are images of two classes
    this.running = false;
    this.stage = "";
    element("teach").addEventListener("click", () => this.press("teach"));
    element("undo-teaching").addEventListener("click", () => this.press("undo-teaching"));
  }

  begin(model) {
    this.on = Boolean(model);
    document.body.classList.toggle("teaching", this.on);
    element("lesson").hidden = !this.on;
    this.version = null;
    if (this.on && !this.running) this.answerOwn();
  }

  async press(path) {
    try {
      await post(path, {});
      this.problem("");
    } catch (error) {
      this.problem(error.message);
    }
  }

  show(now, classes) {
    if (!this.on || !now) return;
    this.enough = classes.filter(([, count]) => count > 0).length > 1;
    this.has = now.model;
    this.stage = now.stage;
    const busy = Boolean(now.stage);
    element("teach").disabled = busy || !this.enough;
    element("undo-teaching").disabled = busy || !now.model;
    element("download").hidden = !now.model;
    element("lesson-progress").hidden = !busy;
    element("lesson-progress").firstElementChild.style.width = percent(now.progress);
    setText(element("lesson-state"), this.sentence(now));
    element("lesson-state").hidden = !element("lesson-state").textContent;
    setText(element("lesson-trouble"), now.trouble);
    element("lesson-trouble").hidden = !now.trouble;
    element("answering").hidden = !now.model;
    if (!this.isOwn) this.answer(now.live);
    if (this.version === now.version) return;
    this.version = now.version;
    this.report();
  }

  sentence(now) {
    if (now.stage) return now.stage;
    if (!this.enough) return "Take images of two classes first, or of one class and of none of these. About ten of each are enough.";
    return now.model ? "" : "Press Teach. The answer appears here a few seconds later.";
  }

  answer(live) {
    setText(element("answer"), live ? classLabel(live.answer) : "–");
    setText(element("score"), live ? (live.sure ? percent(live.score) : `${classLabel(live.best)}? ${percent(live.score)}`) : "");
    element("headline").classList.toggle("unknown", Boolean(live) && !live.sure);
    setText(element("why"), live && !live.sure ? WHY[live.reason] || "" : "");
    if (!live) return element("bars").replaceChildren();
    const scores = [...live.scores].sort((one, other) => other[1] - one[1]);
    showBars(element("bars"), scores, live.scores.map(([label]) => label), classLabel);
  }

  /** Ask for answers to this device's camera, as long as it is in use. */
  async answerOwn() {
    this.running = true;
    for (;;) {
      await new Promise((done) => setTimeout(done, ASK));
      if (!this.isOwn || !this.has || document.hidden) continue;
      try {
        const live = this.own.on ? await post("answer", await this.own.photograph(SMALL)) : null;
        if (this.isOwn) this.answer(live);
      } catch {
        this.answer(null); // the stream says what is wrong
      }
    }
  }

  async report() {
    const report = await fetch("report.json").then((answer) => answer.json(), () => null);
    element("judgement").hidden = !report;
    if (!report) return;
    const { judged, right, interval, needed, mistakes, unreadable } = report;
    const range = interval && `${percent(interval[0])} to ${percent(interval[1])}`;
    setText(
      element("sureness"),
      judged ? `Each image was left out in turn: ${right} of ${judged} are right, ${percent(right / judged)} (95% interval ${range}).` : "Take at least two different images of each class, to learn how sure the model is.",
    );
    setText(element("needed"), needed ? `Ten more images of ${classLabel(needed)} would help most.` : "");
    setText(element("unread"), unreadable.length ? `Left out: ${unreadable.join(" ")}` : "");
    const shares = report.classes.map(({ label, count, right: hits }) => make("li", "", hits === null ? `${classLabel(label)}: cannot be judged` : `${classLabel(label)}: ${hits} of ${count}`));
    element("shares").replaceChildren(...shares);
    element("harm").hidden = !mistakes.length;
    element("harmful").replaceChildren(...mistakes.map((mistake) => this.figure(mistake)));
  }

  figure({ file, label, answer, score, discarded }) {
    const figure = make("figure", discarded ? "gone" : "");
    const image = make("img");
    image.alt = `An image of ${classLabel(label)}`;
    image.src = `wrong.jpg?${new URLSearchParams({ file })}`;
    const text = make("p", "small", `${classLabel(label)}, taken for ${classLabel(answer)} (${percent(score)})`);
    const button = make("button", "button", discarded ? "Put back" : "Discard");
    button.type = "button";
    button.addEventListener("click", async () => {
      const isGone = figure.classList.contains("gone");
      button.disabled = true;
      try {
        await post(isGone ? "restore" : "discard", { file });
        figure.classList.toggle("gone", !isGone);
        setText(button, isGone ? "Discard" : "Put back");
        this.problem("");
      } catch (error) {
        this.problem(error.message);
      }
      button.disabled = false;
    });
    figure.append(image, text, button);
    return figure;
  }
}

// Answers over time: a curve of the scores, with a colour for each answer.

import { make } from "./live.js";

const SPANS = [60, 300]; // seconds, the second where there are more than the first
const GAP = 5; // seconds without an answer after which the curve is broken
const COLOURS = 8;
const SVG = "http://www.w3.org/2000/svg";
const BOTTOM = 18; // pixels for the times

export class History {
  constructor(svg, legend) {
    this.svg = svg;
    this.legend = legend;
    this.points = [];
    this.clock = 0; // the device's, in seconds
    this.colours = new Map();
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  begin(points) {
    this.points = points;
    this.draw();
  }

  add(time, answer, score, sure) {
    const last = this.points[this.points.length - 1];
    if (last && time < last[0] - 1) this.points = []; // the device's clock was set back
    else if (last && time - last[0] < 1) return;
    this.points.push([time, answer, score, sure]);
    this.draw();
  }

  /** What was drawn moves on while no answers come. */
  tick(clock) {
    if (Math.abs(clock - this.clock) < 1) return;
    this.clock = clock;
    this.points = this.points.filter((point) => point[0] > clock - SPANS[1]);
    this.draw();
  }

  /** Grey where no answer was sure enough, which is called unknown, as a class may be. */
  kind([, answer, , sure]) {
    if (!sure) return "kind-none";
    if (!this.colours.has(answer)) this.colours.set(answer, this.colours.size % COLOURS);
    return `kind-${this.colours.get(answer)}`;
  }

  draw() {
    const width = this.svg.clientWidth;
    const height = this.svg.clientHeight - BOTTOM;
    if (!width || height <= 0) return;
    const end = this.points.length ? Math.max(this.clock, this.points[this.points.length - 1][0]) : 0;
    const span = this.points.length && end - this.points[0][0] > SPANS[0] ? SPANS[1] : SPANS[0];
    const x = (time) => width - ((end - time) / span) * (width - 34);
    const y = (score) => 2 + (1 - score) * (height - 4);
    this.svg.replaceChildren(...this.axes(width, height, y, span / 60));
    for (const run of this.runs()) this.svg.append(...shapes(run, this.kind(run[0]), x, y));
    const seen = [...new Map(this.points.map((point) => [mark(point), point])).values()].slice(-6);
    this.legend.replaceChildren(...seen.map((point) => this.entry(point)));
  }

  entry(point) {
    const row = make("li");
    row.append(make("i", this.kind(point)), make("span", "", point[1]));
    return row;
  }

  /** Points of one answer in a row, each with the first of the next, so that the curve goes on. */
  runs() {
    const runs = [];
    this.points.forEach((point, index) => {
      const before = this.points[index - 1];
      const broken = before && point[0] - before[0] > GAP;
      if (!before || broken || mark(before) !== mark(point)) {
        if (before && !broken) runs[runs.length - 1].push(point);
        runs.push([]);
      }
      runs[runs.length - 1].push(point);
    });
    return runs;
  }

  axes(width, height, y, minutes) {
    const parts = [0, 0.5, 1].flatMap((score) => [
      shape("line", { x1: 34, x2: width, y1: y(score), y2: y(score) }),
      text(0, Math.max(10, Math.min(height, y(score) + 4)), `${100 * score}%`, "start"),
    ]);
    const start = text(34, height + 14, `${minutes} min ago`, "start");
    return [...parts, start, text(width, height + 14, "now", "end")];
  }
}

/** What tells an answer from others, and from none that was sure enough. */
function mark([, answer, , sure]) {
  return `${sure} ${answer}`;
}

function shapes(run, kind, x, y) {
  const line = run.map(([time, , score]) => `${x(time).toFixed(1)} ${y(score).toFixed(1)}`);
  if (line.length === 1) line.push(`${(x(run[0][0]) + 1.5).toFixed(1)} ${y(run[0][2]).toFixed(1)}`);
  const first = line[0].split(" ")[0];
  const last = line[line.length - 1].split(" ")[0];
  const title = document.createElementNS(SVG, "title");
  title.textContent = run[0][1];
  const area = shape("path", { class: `area ${kind}`, d: `M${first} ${y(0)}L${line.join("L")}L${last} ${y(0)}Z` });
  area.append(title);
  return [area, shape("path", { class: `curve ${kind}`, d: `M${line.join("L")}` })];
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function text(x, y, said, anchor) {
  const made = shape("text", { x, y, "text-anchor": anchor });
  made.textContent = said;
  return made;
}

import { OLD, element, lost, make, notice, percent, post, setText, showSource, shownAnswer, watch } from "./live.js";
import { showBars } from "./bars.js";
import { History } from "./history.js";
import { Unsorted } from "./unsorted.js";

const LONG = 18; // longer answers are shown in a smaller font
const WHY = { unfamiliar: "Unfamiliar: unlike the images of the training", undecided: "Undecided: no answer is sure enough" };
const UNLIKE = "The images are unlike those of the training. Clean the lens, and check the focus, the light and the camera's direction.";
const NAMES = { capture: "waiting for a frame", resize: "resize", invoke: "network" };

let labels = [];
let adopted = null; // models, until now
const history = new History(element("history"), element("legend"));
const unsorted = new Unsorted();

function greeting(told) {
  labels = told.labels;
  setText(element("model"), told.model);
  document.title = `${told.model} – edgeclf`;
  history.begin(told.history);
  if (told.sorts) unsorted.begin(labels);
}

function state(told) {
  if (adopted !== null && told.adopted !== adopted) location.reload(); // another model, with its own labels
  adopted = told.adopted;
  notice(showSource(told) || (told.refused && `A new model file was refused; the current model stays in use. ${told.refused}`) || (told.conditions?.is_unlike && UNLIKE));
  setText(element("fps"), told.fps ? told.fps.toFixed(1) : "–");
  setText(element("frames"), told.frames.toLocaleString("en"));
  element("warmth").hidden = told.temperature === null;
  if (told.temperature !== null) setText(element("temperature"), `${told.temperature.toFixed(0)} °C`);
  history.tick(told.clock);
  if (told.answer === undefined) return;
  const answer = shownAnswer(told);
  setText(element("answer"), answer);
  setText(element("score"), told.sure ? percent(told.score) : `${told.scores[0][0]}? ${percent(told.scores[0][1])}`);
  element("headline").classList.toggle("unknown", !told.sure);
  element("why").hidden = !WHY[told.reason];
  setText(element("why"), WHY[told.reason] || "");
  element("familiar").hidden = told.familiarity === undefined;
  if (told.familiarity !== undefined) setText(element("familiarity"), `${(100 * told.familiarity).toFixed(1)}%`);
  like(told.like);
  const expected = told.conditions?.accuracy ?? null;
  element("expecting").hidden = expected === null;
  if (expected !== null) setText(element("expected"), `${percent(expected)} ± ${(100 * told.conditions.error).toFixed(0)}`);
  element("headline").classList.toggle("long", answer.length > LONG);
  if (told.silence > OLD) setText(element("age"), "–");
  else setText(element("age"), told.age < 10 ? `${Math.round(1000 * told.age)} ms` : `${Math.round(told.age)} s`);
  element("seen").hidden = !told.view.text;
  setText(element("part"), told.view.text);
  showBars(element("bars"), told.scores, labels);
  stages(told.milliseconds);
  history.add(told.time, answer, told.score, told.sure);
}

function like(example) {
  element("like").hidden = !example;
  if (!example) return;
  const address = `examples/${example.number}.jpg?${adopted}`; // the number of the model, whose examples these are
  if (element("example").getAttribute("src") !== address) element("example").src = address;
  setText(element("example-label"), example.label);
  setText(element("likeness"), percent(Math.max(0, example.likeness)));
}

function stages(milliseconds) {
  const names = Object.keys(milliseconds);
  const stack = element("stack");
  const list = element("stages");
  if (list.children.length !== names.length) {
    const kinds = names.map((name) => (name === "capture" ? "kind-none" : `kind-${names.indexOf(name) - 1}`));
    stack.replaceChildren(...kinds.map((kind) => make("i", kind)));
    list.replaceChildren(...kinds.map((kind) => item(kind)));
  }
  names.forEach((name, index) => {
    stack.children[index].style.flexGrow = milliseconds[name];
    setText(list.children[index].children[1], `${NAMES[name] || name} `);
    setText(list.children[index].children[2], `${milliseconds[name].toFixed(1)} ms`);
  });
}

function item(kind) {
  const row = make("li");
  row.append(make("i", kind), make("span", "muted"), make("b"));
  return row;
}

watch({ greeting, state, lost });

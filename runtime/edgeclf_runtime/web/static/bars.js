// A bar for each label's score.

import { make, setText } from "./live.js";

const FEW = 8; // up to this many labels keep their order
const BEST = 5; // with more labels, the best ones are shown in order of score

/** Scores are pairs of label and score, the best first. */
export function showBars(place, scores, labels, shown = (label) => label) {
  const best = scores[0][0];
  const order = labels.length > FEW ? scores.slice(0, BEST) : labels.map((label) => scores.find((pair) => pair[0] === label));
  while (place.children.length > order.length) place.lastChild.remove();
  while (place.children.length < order.length) place.append(newBar());
  order.forEach(([label, score], index) => {
    const row = place.children[index];
    row.classList.toggle("best", label === best);
    setText(row.children[0], shown(label));
    setText(row.children[1], `${(100 * score).toFixed(1)}%`);
    row.children[2].firstChild.style.width = `${100 * Math.min(1, Math.max(0, score))}%`;
  });
}

function newBar() {
  const row = make("div", "bar");
  const track = make("span", "track");
  track.append(make("i"));
  row.append(make("span"), make("span"), track);
  return row;
}

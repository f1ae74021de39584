// The page of edgeclf sort: groups of unsorted images, the least familiar first.

import { Card, CHIPS, NOTHING } from "./group.js";
import { element, make, post, setText } from "./live.js";

const EVERY = 4000; // ms between two looks at the folder
const AGAIN = 700; // ms while images are being looked at
const CALM = 4000; // ms without user input after which cards may change places
const SAID = 10000; // ms until a message disappears

const cards = new Map(); // by the id of the group
const moving = new Set(); // ids of images that are on their way
const undone = []; // moves that can be undone, the last one at the end
let state = null;
let current = null; // the card that the keys are for
let touched = -CALM;
let sent = Promise.resolve(); // moves are sent one after another
let hiding = 0;
let asking = null;

const on = {
  sort: (card, label) => move(card, "sort", { label, images: card.chosen }, (answer) => `${answer.count} to ${answer.folder === NOTHING ? "none of these" : answer.folder}.`),
  discard: (card) => move(card, "discard", { images: card.chosen }, (answer) => `${answer.count} discarded.`),
  enlarge(id) {
    element("large-image").src = `images/${id}.jpg?large`;
    element("large").showModal();
  },
  choose,
};

async function look() {
  clearTimeout(asking);
  if (!document.hidden) {
    const answer = await fetch("state.json").catch(() => null);
    if (answer?.ok) show(await answer.json());
    else setPill("no connection", "bad");
  }
  clearTimeout(asking);
  asking = setTimeout(look, state?.missing ? AGAIN : EVERY);
}

function show(next) {
  state = next;
  const { model, photos, left, missing, unreadable, groups, more } = state;
  setText(element("about"), `to ${photos}${model ? ` · proposals of ${model}` : ""}`);
  setPill(left ? `${left} to sort` : "all sorted", left ? "warn" : "good");
  element("looking").hidden = !missing;
  setText(element("progress"), `Looking at the images: ${left - missing} of ${left}`);
  element("bar").style.width = `${left ? (100 * (left - missing)) / left : 0}%`;
  const one = unreadable.count === 1;
  notice(unreadable.count ? `${unreadable.count} ${one ? "file" : "files"} cannot be read and ${one ? "stays" : "stay"}: ${unreadable.first}` : "");
  const labels = classes();
  element("labels").replaceChildren(...labels.map((label) => Object.assign(make("option"), { value: label })));
  place(groups, labels);
  element("done").hidden = cards.size > 0 || missing > 0;
  setText(element("done"), more ? "" : "All images are sorted. New ones in the folder appear here.");
}

/** The classes in the order of their keys; of many, those that have images come first. */
function classes() {
  const listed = state.classes.filter(([name]) => name !== NOTHING);
  const sorted = listed.length > CHIPS ? [...listed.filter(([, count]) => count), ...listed.filter(([, count]) => !count)] : listed;
  return [...sorted.map(([name]) => name), NOTHING];
}

/** Cards that stay keep their places while somebody is at work; new ones follow at the end. */
function place(groups, labels) {
  const there = new Map(groups.map((group) => [group.id, without(group)]).filter(([, group]) => group.images.length));
  for (const [id, card] of cards) {
    if (there.has(id)) continue;
    cards.delete(id);
    card.node.remove();
    if (current === card) current = null;
  }
  for (const [id, group] of there) {
    if (!cards.has(id)) cards.set(id, new Card(group, on));
    cards.get(id).show(group, labels);
  }
  const nodes = [...there.keys()].map((id) => cards.get(id).node);
  const holder = element("groups");
  if (busy()) nodes.filter((node) => !node.isConnected).forEach((node) => holder.append(node));
  else nodes.forEach((node, index) => holder.children[index] === node || holder.insertBefore(node, holder.children[index] || null));
  if (!current && holder.firstChild) choose(cards.get(holder.firstChild.dataset.id), false);
}

/** Whether somebody is at work: if cards moved now, a click could hit the wrong one, and a field would lose the focus. */
function busy() {
  const { activeElement } = document;
  return performance.now() - touched < CALM || (activeElement instanceof HTMLInputElement && activeElement.value !== "");
}

/** A group without the images that are on their way. */
function without(group) {
  const images = group.images.filter((id) => !moving.has(id));
  return { ...group, images, count: group.count - (group.images.length - images.length) };
}

async function move(card, path, body, told) {
  if (!body.images.length) return;
  touched = performance.now();
  for (const id of body.images) moving.add(id);
  if (card.spared.size) card.spared.clear();
  else step(1, card);
  show(state);
  sent = sent.then(async () => {
    try {
      const answer = await post(path, body, 60000);
      undone.push(answer);
      say(told(answer), true);
    } catch (error) {
      say(error.message, undone.length > 0);
    }
  });
  await sent;
  await refresh(body.images);
}

/** Look again, and only then let images that did not move come back. */
async function refresh(images) {
  const answer = await fetch("state.json").catch(() => null);
  for (const id of images) moving.delete(id);
  if (answer?.ok) show(await answer.json());
}

async function undo() {
  await sent; // or a quick hand would take back the move before the last one
  const last = undone.pop();
  if (!last) return;
  try {
    const { count } = await post("undo", { move: last.move });
    say(`${count} moved back.`, undone.length > 0);
  } catch (error) {
    say(error.message, undone.length > 0);
  }
  await refresh([]);
}

function say(text, canUndo) {
  setText(element("said"), text);
  element("undo").hidden = !canUndo;
  element("toast").hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (element("toast").hidden = true), SAID);
}

function choose(card, byHand = true) {
  if (byHand) touched = performance.now();
  if (current === card) return;
  current?.node.classList.remove("current");
  current = card;
  card?.node.classList.add("current");
}

/** Go to the next or the previous card. */
function step(by, from = current) {
  const nodes = [...element("groups").children];
  const next = nodes[nodes.indexOf(from?.node) + by];
  if (!next) return;
  choose(cards.get(next.dataset.id));
  next.scrollIntoView({ block: "nearest" });
}

function setPill(text, kind) {
  setText(element("left"), text);
  element("left").className = `pill ${kind}`;
}

function notice(text) {
  element("notice").hidden = !text;
  setText(element("notice"), text);
}

const KEYS = {
  Enter: () => classes().includes(current.group.proposal) && on.sort(current, current.group.proposal),
  0: () => on.sort(current, NOTHING),
  d: () => on.discard(current),
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  n: () => current.chips.querySelector("input").focus(),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || element("large").open) return;
  const inField = event.target instanceof HTMLInputElement;
  if (inField && event.key === "Escape") return event.target.blur();
  if (inField || (event.key === "Enter" && event.target instanceof HTMLButtonElement)) return;
  if (event.key === "u") return void undo();
  const label = /^[1-9]$/.test(event.key) && classes()[Number(event.key) - 1];
  const work = label && label !== NOTHING ? () => on.sort(current, label) : KEYS[event.key];
  if (!work || !current) return;
  event.preventDefault();
  work();
}

document.addEventListener("keydown", press);
document.addEventListener("visibilitychange", () => document.hidden || look());
element("groups").addEventListener("pointermove", () => (touched = performance.now()));
element("undo").addEventListener("click", undo);
look();

// A tile for each camera; each zone's answer is drawn on the image.

import { element, make, percent } from "./live.js";

const STATE = 1000; // milliseconds between two looks at the answers
const PICTURE = 400; // milliseconds between two images of a camera
const tiles = new Map();

const added = (parent, ...what) => parent.appendChild(make(...what));

const drawn = (kind, parent) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  parent.append(element);
  return element;
};

const tileOf = (camera, number) => {
  if (tiles.has(camera.name)) return tiles.get(camera.name);
  const card = added(element("tiles"), "section", "card tile");
  card.dataset.camera = camera.name;
  const head = added(card, "div", "head");
  added(head, "h2", "", camera.name);
  const pill = added(head, "span", "pill");
  const view = added(card, "div", "scene");
  const image = added(view, "img", "");
  image.alt = `What ${camera.name} sees`;
  image.hidden = true;
  const shapes = drawn("svg", view);
  shapes.setAttribute("viewBox", "0 0 1 1");
  shapes.setAttribute("preserveAspectRatio", "none");
  const list = added(card, "ul", "zones small");
  const tile = { pill, image, view, shapes, list, zones: new Map(), loading: false, number };
  image.addEventListener("load", () => {
    image.hidden = false;
    tile.loading = false;
  });
  image.addEventListener("error", () => (tile.loading = false));
  tiles.set(camera.name, tile);
  return tile;
};

const zoneOf = (tile, name) => {
  if (!tile.zones.has(name)) {
    const line = added(tile.list, "li", "");
    line.dataset.zone = name;
    added(line, "b", "", name);
    const answer = added(line, "span", "");
    const tag = added(tile.view, "span", "tag");
    tile.zones.set(name, { answer, tag, shape: drawn("polygon", tile.shapes) });
  }
  return tile.zones.get(name);
};

const corners = ({ region: [left, top, width, height], polygon }) =>
  polygon?.length
    ? polygon
    : [[left, top], [left + width, top], [left + width, top + height], [left, top + height]];

const showZone = (tile, zone) => {
  const { answer, tag, shape } = zoneOf(tile, zone.name);
  if (zone.answer === undefined) {
    answer.textContent = "waiting";
    tag.hidden = true;
    return;
  }
  const text = `${zone.answer} ${percent(zone.score)}`;
  answer.textContent = `${text}${zone.reason ? ` (${zone.reason})` : ""}, ${zone.fps} frames/s`;
  tag.hidden = false;
  tag.textContent = `${zone.name}: ${text}`;
  const points = corners(zone.view);
  shape.setAttribute("points", points.map((point) => point.join(",")).join(" "));
  shape.classList.toggle("unsure", !zone.sure);
  tag.classList.toggle("unsure", !zone.sure);
  tag.style.left = `${100 * Math.min(...points.map(([x]) => x))}%`;
  tag.style.top = `${100 * Math.min(...points.map(([, y]) => y))}%`;
};

const show = ({ cameras }) => {
  const count = cameras.reduce((sum, camera) => sum + camera.zones.length, 0);
  element("count").textContent =
    `${cameras.length} ${cameras.length === 1 ? "camera" : "cameras"}, ${count} ${count === 1 ? "zone" : "zones"}`;
  cameras.forEach((camera, number) => {
    const tile = tileOf(camera, number);
    const state = camera.source.state;
    tile.pill.textContent = state;
    tile.pill.title = camera.source.reason;
    tile.pill.className = `pill ${state === "running" ? "good" : state === "opening" ? "" : "bad"}`;
    tile.view.classList.toggle("old", state !== "running");
    tile.hasPicture = camera.has_picture;
    camera.zones.forEach((zone) => showZone(tile, zone));
  });
};

const look = async () => {
  const connection = element("connection");
  const answer = document.hidden ? undefined : await fetch("state.json").catch(() => null);
  if (answer !== undefined) {
    connection.textContent = answer?.ok ? "connected" : "no connection";
    connection.className = `pill ${answer?.ok ? "good" : "bad"}`;
  }
  if (answer?.ok) show(await answer.json());
  setTimeout(look, STATE);
};

const refresh = () => {
  for (const tile of document.hidden ? [] : tiles.values()) {
    if (tile.loading || !tile.hasPicture) continue;
    tile.loading = true;
    tile.image.src = `cameras/${tile.number}.jpg?${Date.now()}`;
  }
};

look();
setInterval(refresh, PICTURE);

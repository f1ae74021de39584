// A tile for each camera; each zone's answer is drawn on the image.

const STATE = 1000; // milliseconds between two looks at the answers
const PICTURE = 400; // milliseconds between two images of a camera
const tiles = new Map();

const made = (kind, name, parent) => {
  const element = document.createElement(kind);
  if (name) element.className = name;
  parent.append(element);
  return element;
};

const drawn = (kind, parent) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  parent.append(element);
  return element;
};

const tileOf = (camera, number) => {
  if (tiles.has(camera.name)) return tiles.get(camera.name);
  const card = made("section", "card tile", document.getElementById("tiles"));
  card.dataset.camera = camera.name;
  const head = made("div", "head", card);
  made("h2", "", head).textContent = camera.name;
  const pill = made("span", "pill", head);
  const view = made("div", "scene", card);
  const image = made("img", "", view);
  image.alt = `What ${camera.name} sees`;
  image.hidden = true;
  const shapes = drawn("svg", view);
  shapes.setAttribute("viewBox", "0 0 1 1");
  shapes.setAttribute("preserveAspectRatio", "none");
  const list = made("ul", "zones small", card);
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
    const line = made("li", "", tile.list);
    line.dataset.zone = name;
    made("b", "", line).textContent = name;
    const answer = made("span", "", line);
    const tag = made("span", "tag", tile.view);
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
  const text = `${zone.answer} ${Math.round(zone.score * 100)}%`;
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
  document.getElementById("count").textContent =
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
  const connection = document.getElementById("connection");
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

// A tile for each camera; each zone's answer is drawn on the image. Zones that can be changed are drawn here, too.

import { element, make, percent, setText, showIn, shownAnswer, watch } from "./live.js";
import { ZoneEditor, handles } from "./zone_editor.js";
import { rectangle, topLeft } from "./zone_shapes.js";

const WHOLE = rectangle([0, 0, 1, 1]);
const tiles = new Map();
let cameras = []; // as last told
let now = []; // the zones that count
const editor = new ZoneEditor(draw);

const added = (parent, ...what) => parent.appendChild(make(...what));

const drawn = (kind, parent) => parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", kind));

const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function tileOf({ name }) {
  if (tiles.has(name)) return tiles.get(name);
  const card = added(element("tiles"), "section", "card tile");
  card.dataset.camera = name;
  const head = added(card, "div", "head");
  added(head, "h2", "", name);
  const pill = added(head, "span", "pill");
  const view = added(card, "div", "scene");
  const image = added(view, "img", "");
  image.alt = `What ${name} sees`;
  image.hidden = true;
  image.draggable = false;
  const shapes = drawn("svg", view);
  shapes.setAttribute("viewBox", "0 0 1 1");
  shapes.setAttribute("preserveAspectRatio", "none");
  const list = added(card, "ul", "zones small");
  const add = added(card, "button", "button small add", "Add a zone");
  add.type = "button";
  add.addEventListener("click", () => editor.add(name, image.hidden ? WHOLE : rectangle([0.3, 0.3, 0.4, 0.4])));
  const tile = { pill, image, view, shapes, list, zones: new Map() };
  editor.follow(view, name);
  tiles.set(name, tile);
  return tile;
}

function zoneOf(tile, key, zone) {
  if (!tile.zones.has(key)) {
    const line = added(tile.list, "li", "");
    const name = added(line, "b", "");
    const controls = editor.on ? editor.controls(zone) : null;
    if (controls) line.append(controls.name);
    const answer = added(line, "span", "says");
    if (controls && !zone.written) line.append(controls.remove);
    tile.zones.set(key, { line, name, controls, answer, tag: added(tile.view, "span", "tag"), shape: drawn("polygon", tile.shapes) });
  }
  return tile.zones.get(key);
}

function drawZone(tile, key, zone, told) {
  const { line, name, controls, answer, tag, shape } = zoneOf(tile, key, zone);
  line.dataset.zone = zone.name;
  name.hidden = Boolean(controls);
  setText(name, zone.name);
  if (controls && document.activeElement !== controls.name) controls.name.value = zone.name;
  const text = told?.answer === undefined ? "" : `${shownAnswer(told)} ${percent(told.score)}`;
  setText(answer, text ? `${text}${told.reason ? ` (${told.reason})` : ""}, ${told.fps} frames/s` : "waiting");
  setText(tag, text ? `${zone.name}: ${text}` : zone.name);
  tag.hidden = !zone.corners || (!text && !editor.on);
  shape.setAttribute("points", (zone.corners || []).map((point) => point.join(",")).join(" "));
  for (const part of [shape, tag]) part.classList.toggle("unsure", told?.sure === false);
  for (const part of [shape, tag, line]) part.classList.toggle("selected", editor.on && zone.id === editor.selected);
  if (!zone.corners) return;
  const [left, top] = topLeft(zone.corners);
  tag.style.left = `${100 * left}%`;
  tag.style.top = `${100 * top}%`;
}

/** Show the zones that count, or those that are being changed. */
function draw() {
  for (const camera of cameras) {
    const tile = tileOf(camera);
    const zones = (editor.on ? editor.zones : now).filter((zone) => zone.camera === camera.name);
    const keys = zones.map((zone) => (editor.on ? `draft ${zone.id}` : zone.name));
    for (const [key, { line, tag, shape }] of tile.zones) {
      if (keys.includes(key)) continue;
      for (const part of [line, tag, shape]) part.remove();
      tile.zones.delete(key);
    }
    zones.forEach((zone, index) => drawZone(tile, keys[index], zone, camera.zones.find(({ name }) => name === zone.name)));
    const selected = editor.on && zones.find(({ id }) => id === editor.selected);
    tile.view.querySelectorAll(".handle").forEach((handle) => handle.remove());
    if (selected) tile.view.append(...handles(selected.corners));
  }
}

/** A zone as it counts: its corners, and the keys that stay as they are until it is moved. */
function placed(camera, told, listed) {
  const { region = null, polygon = [], written = true } = listed || {};
  const seen = told.view && (told.view.polygon?.length ? told.view.polygon : rectangle(told.view.region));
  const corners = polygon.length ? polygon : region ? rectangle(region) : seen || (listed ? WHOLE : null);
  const kept = polygon.length ? { polygon } : region ? { region } : {};
  return { name: told.name, camera, corners, isPolygon: polygon.length > 0, kept, written };
}

function show(told) {
  cameras = told.cameras;
  const listed = told.editing?.zones || [];
  now = cameras.flatMap(({ name, zones }) => zones.map((zone) => placed(name, zone, listed.find((other) => other.name === zone.name))));
  if (told.editing) editor.know(told.editing.version, now);
  setText(element("count"), `${counted(cameras.length, "camera")}, ${counted(now.length, "zone")}`);
  cameras.forEach((camera) => {
    const tile = tileOf(camera);
    const { state, reason } = camera.source;
    setText(tile.pill, camera.zones.length ? state : "no zone");
    tile.pill.title = reason;
    tile.pill.className = `pill ${state === "running" ? "good" : state === "opening" ? "" : "bad"}`;
    tile.view.classList.toggle("old", state !== "running" || !camera.zones.length);
  });
  if (!editor.drag) draw();
}

function connection(text, kind) {
  setText(element("connection"), text);
  element("connection").className = `pill ${kind}`;
}

function state(told) {
  connection("connected", "good");
  if (told.cameras) show(told);
}

function lost(text) {
  connection("disconnected", "bad");
  element("connection").title = text;
  for (const { view } of tiles.values()) view.classList.add("old");
}

watch({ greeting: state, state, lost, picture: (bytes, number) => showIn(tileOf(cameras[number]).image, bytes) });

// Zones that are drawn, moved and named; nothing counts until it is saved.

import { element, make, post, setText } from "./live.js";
import { area, between, contains, merged, middle, place, pulled, shifted } from "./zone_shapes.js";

const STEP = 0.01; // of the image, for an arrow key
const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const LONGEST = 40; // letters of a name
const NEAR = 6; // pixels that a finger moves without meaning it

export class ZoneEditor {
  /** redraw: shows the zones again. */
  constructor(redraw) {
    Object.assign(this, { redraw, on: false, zones: [], version: 0, replaced: null, selected: null, past: [], drag: null, count: 0 });
    element("edit").addEventListener("click", () => this.begin());
    element("cancel").addEventListener("click", () => this.end());
    element("undo").addEventListener("click", () => this.undo());
    element("save").addEventListener("click", () => this.save());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  /** Know the zones that count; they are not edited yet. A message that was on its way during a save is too old. */
  know(version, zones) {
    element("edit").hidden = this.on;
    if (version === this.replaced) return;
    this.replaced = null;
    if (!this.on) Object.assign(this, { version, known: zones });
  }

  begin() {
    this.zones = this.known.map((zone) => ({ ...zone, id: this.count++ }));
    Object.assign(this, { on: true, past: [], selected: null });
    this.problem("");
    this.show();
  }

  end() {
    Object.assign(this, { on: false, past: [], drag: null });
    this.show();
  }

  show() {
    document.body.classList.toggle("editing", this.on);
    element("editor").hidden = !this.on;
    element("edit").hidden = this.on;
    for (const id of ["undo", "save"]) element(id).disabled = !this.past.length;
    this.redraw();
  }

  problem(text) {
    setText(element("problem"), text);
    element("problem").hidden = !text;
  }

  async save() {
    const zones = this.zones.map(({ name, camera, kept, corners, isPolygon }) => ({ name, camera, ...(kept || place({ corners, isPolygon })) }));
    element("save").disabled = true;
    try {
      const { version } = await post("zones", { version: this.version, zones });
      Object.assign(this, { replaced: this.version, version, known: this.zones });
      this.end();
    } catch (error) {
      this.problem(error.message);
      element("save").disabled = false;
    }
  }

  /** Keep what is there now for "Undo", before it is changed. */
  remember() {
    this.past.push(this.zones.map((zone) => ({ ...zone })));
    this.problem("");
  }

  undo() {
    this.zones = this.past.pop() || this.zones;
    this.show();
  }

  zone() {
    return this.zones.find(({ id }) => id === this.selected);
  }

  reshape(zone, corners, isPolygon = zone.isPolygon) {
    Object.assign(zone, { corners, isPolygon, kept: null });
  }

  select(zone) {
    this.selected = zone ? zone.id : null;
    this.show();
  }

  add(camera, corners) {
    this.remember();
    const names = this.zones.map(({ name }) => name);
    let number = this.zones.length + 1;
    while (names.includes(`zone${number}`)) number += 1;
    const zone = { id: this.count++, name: `zone${number}`, camera, corners, isPolygon: false, kept: null, written: false };
    this.zones.push(zone);
    this.select(zone);
    return zone;
  }

  remove(zone) {
    if (zone.written) return this.problem(`${zone.name} is written in run.toml: delete it there.`);
    this.remember();
    this.zones = this.zones.filter((other) => other !== zone);
    this.show();
  }

  /** The name and the button to delete of a zone, for its line in the list. */
  controls({ id, written }) {
    const [name, remove] = [make("input", "zone-name"), make("button", "button small", "Delete")];
    const zone = () => this.zones.find((other) => other.id === id);
    Object.assign(name, { maxLength: LONGEST, autocomplete: "off", autocapitalize: "none", spellcheck: false, disabled: written });
    if (written) name.title = "Named in run.toml";
    name.setAttribute("aria-label", "Name of the zone");
    name.addEventListener("focus", () => this.select(zone()));
    name.addEventListener("change", () => {
      this.remember();
      zone().name = name.value.trim();
      this.show();
    });
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    remove.type = "button";
    remove.addEventListener("click", () => this.remove(zone()));
    return { name, remove };
  }

  /** Let mouse and finger draw on a camera's image. */
  follow(scene, camera) {
    const at = (event) => {
      const box = scene.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    scene.addEventListener("pointerdown", (event) => {
      if (!this.on || event.button || this.drag || scene.querySelector("img").hidden) return;
      event.preventDefault();
      document.activeElement?.blur();
      scene.setPointerCapture(event.pointerId);
      this.press(event, camera, at(event));
    });
    scene.addEventListener("pointermove", (event) => {
      if (this.drag?.pointer === event.pointerId) this.pull(at(event), Math.hypot(event.clientX - this.drag.x, event.clientY - this.drag.y));
    });
    scene.addEventListener("pointerup", (event) => this.drag?.pointer === event.pointerId && this.drop());
    scene.addEventListener("pointercancel", (event) => {
      if (this.drag?.pointer !== event.pointerId) return;
      if (this.drag.moves) this.undo();
      this.drag = null;
    });
  }

  press(event, camera, point) {
    const { corner, between: side } = event.target.dataset;
    const isHandle = corner !== undefined || side !== undefined;
    const zone = isHandle ? this.zone() : this.under(camera, point);
    const does = corner !== undefined ? "pull" : side !== undefined ? "insert" : zone ? "shift" : "draw";
    this.drag = { pointer: event.pointerId, x: event.clientX, y: event.clientY, from: point, camera, does, number: Number(corner ?? side), moves: false };
    if (zone) this.drag.start = { ...zone };
    this.select(zone);
  }

  /** The zone at a point: the selected one, else the smallest. */
  under(camera, point) {
    const hits = this.zones.filter((zone) => zone.camera === camera && contains(zone.corners, point));
    return hits.find(({ id }) => id === this.selected) || hits.sort((a, b) => area(a.corners) - area(b.corners))[0];
  }

  pull(point, distance) {
    const { drag } = this;
    if (!drag.moves && !(distance >= NEAR && this.take(drag, point))) return;
    const { start, from, number, does } = drag;
    const zone = this.zone();
    if (does === "draw") this.reshape(zone, between(from, point) || zone.corners);
    else if (does === "shift") this.reshape(zone, shifted(start.corners, point[0] - from[0], point[1] - from[1]));
    else this.reshape(zone, pulled(start, number, point));
    this.show();
  }

  /** Begin to change a zone; false if there is nothing to change yet. */
  take(drag, point) {
    const drawn = between(drag.from, point);
    if (drag.does === "draw" && !drawn) return false;
    drag.moves = true;
    if (drag.does === "draw") this.add(drag.camera, drawn);
    else this.remember();
    if (drag.does !== "insert") return true;
    const { corners } = drag.start;
    const all = [...corners.slice(0, drag.number + 1), drag.from, ...corners.slice(drag.number + 1)];
    drag.start = { ...drag.start, corners: all, isPolygon: true };
    drag.number += 1;
    this.reshape(this.zone(), all, true);
    return true;
  }

  drop() {
    const zone = this.zone();
    if (this.drag.moves && zone.isPolygon && this.drag.start) this.reshape(zone, merged(zone.corners, this.drag.number));
    this.drag = null;
    this.show();
  }

  key(event) {
    if (!this.on || event.target.tagName === "INPUT") return;
    const zone = this.zone();
    if ((event.ctrlKey || event.metaKey) && event.key === "z") this.undo();
    else if (event.key === "Escape") this.select(null);
    else if (zone && (event.key === "Delete" || event.key === "Backspace")) this.remove(zone);
    else if (zone && ARROWS[event.key]) {
      this.remember();
      this.reshape(zone, shifted(zone.corners, ...ARROWS[event.key]));
      this.show();
    } else return;
    event.preventDefault();
  }
}

/** The handles of a zone: its corners, and between them where another corner can be pulled out. */
export function handles(corners) {
  const made = (kind, point, number) => {
    const handle = make("span", `handle ${kind}`);
    handle.dataset[kind] = number;
    handle.style.left = `${100 * point[0]}%`;
    handle.style.top = `${100 * point[1]}%`;
    return handle;
  };
  const sides = corners.map((corner, number) => made("between", middle(corner, corners[(number + 1) % corners.length]), number));
  return [...sides, ...corners.map((corner, number) => made("corner", corner, number))];
}

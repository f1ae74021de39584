// The geometry of zones: corners [left, top] as shares of the image.

const SMALLEST = 0.02; // of a side of the image

const within = (share) => Math.min(1, Math.max(0, share));

const rounded = (share) => Math.round(1e4 * share) / 1e4;

export const rectangle = ([left, top, width, height]) => [[left, top], [left + width, top], [left + width, top + height], [left, top + height]];

/** The rectangle between two opposite corners; null if it is too small to be meant. */
export function between([x1, y1], [x2, y2]) {
  const [left, right] = [within(Math.min(x1, x2)), within(Math.max(x1, x2))];
  const [top, bottom] = [within(Math.min(y1, y2)), within(Math.max(y1, y2))];
  return right - left < SMALLEST || bottom - top < SMALLEST ? null : rectangle([left, top, right - left, bottom - top]);
}

/** All corners moved alike, as far as the image allows. */
export function shifted(corners, right, down) {
  const by = (axis, wanted) => {
    const shares = corners.map((corner) => corner[axis]);
    return Math.min(1 - Math.max(...shares), Math.max(-Math.min(...shares), wanted));
  };
  const [dx, dy] = [by(0, right), by(1, down)];
  return corners.map(([x, y]) => [x + dx, y + dy]);
}

/** One corner moved; a rectangle stays one, or is as before if it would be too small. */
export function pulled({ corners, isPolygon }, number, [x, y]) {
  if (!isPolygon) return between(corners[(number + 2) % 4], [x, y]) || corners;
  return corners.map((corner, other) => (other === number ? [within(x), within(y)] : corner));
}

/** Without a corner that was pulled onto a neighbour. */
export function merged(corners, number) {
  const count = corners.length;
  const isOn = (other) => Math.hypot(...[0, 1].map((axis) => corners[number][axis] - corners[other % count][axis])) < SMALLEST;
  return count > 3 && (isOn(number + 1) || isOn(number + count - 1)) ? corners.filter((_, other) => other !== number) : corners;
}

export const middle = ([x1, y1], [x2, y2]) => [(x1 + x2) / 2, (y1 + y2) / 2];

export function contains(corners, [x, y]) {
  let inside = false;
  corners.forEach(([x1, y1], number) => {
    const [x2, y2] = corners[(number + 1) % corners.length];
    if (y1 > y !== y2 > y && x < x1 + ((x2 - x1) * (y - y1)) / (y2 - y1)) inside = !inside;
  });
  return inside;
}

export const area = (corners) =>
  Math.abs(corners.reduce((sum, [x, y], number) => {
    const [x2, y2] = corners[(number + 1) % corners.length];
    return sum + x * y2 - x2 * y;
  }, 0)) / 2;

export const topLeft = (corners) => [0, 1].map((axis) => Math.min(...corners.map((corner) => corner[axis])));

/** The keys of [[zone]] for a shape. */
export function place({ corners, isPolygon }) {
  if (isPolygon) return { polygon: corners.map((corner) => corner.map(rounded)) };
  const [left, top] = topLeft(corners).map(rounded);
  return { region: [left, top, rounded(corners[2][0] - left), rounded(corners[2][1] - top)] };
}

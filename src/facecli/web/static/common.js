// What both pages share: words, colours, small helpers.
import heads from "./heads.js";
import texts from "./texts.js";

export { heads, texts };

// Heads that a model brings are known by their keys, NAME and NAME_probabilities.
const KEYS = "_probabilities";
const further = (face) => Object.keys(face)
  .filter((key) => key.endsWith(KEYS)).map((key) => key.slice(0, -KEYS.length))
  .filter((head) => typeof face[head] === "string" && head !== "age_band" && !heads.all.includes(head));
export const shownHeads = (face) => [...heads.shown, ...further(face)];
export const allHeads = (face) => [...heads.all, ...further(face)];
// A class where nothing else tells what it is about.
export const inWords = (head, face) => (heads.all.includes(head) ? face[head] : `${head} ${face[head]}`);
export const furtherHeads = (faces) => [...new Set(faces.flatMap(further))];
export const say = (key, values = {}) =>
  (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

const PALETTE = [
  "86 180 255", "255 150 40", "255 120 190", "245 225 65", "40 205 185",
  "250 90 80", "180 140 255", "165 220 60", "90 125 255", "225 190 155",
];
export const colour = (number, refused = false) =>
  `rgb(${refused ? "150 150 150" : PALETTE[number % PALETTE.length]})`;

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function status(text, bad = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("bad", bad);
}

export function choices(select, values, names, chosen) {
  select.replaceChildren(...values.map((value) => new Option(names(value), value, false, value === chosen)));
}

export const detectorName = (name) => (name === "none" ? texts.no_detector : texts[name] ?? name);
export const coverName = (name) => (name === "" ? texts.none : texts[name] ?? name);

export function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// What people read of an age and of a probability of a row, as everywhere else: whole years, "98%", "<1%".
export const years = (face) => String(Math.round(face.age_years));
export function percent(share) {
  const whole = Math.floor(100 * share + 0.5);
  return whole === 0 && share > 0.0005 ? "<1%" : `${whole}%`;
}

// Reduces each head to a few averages, as `facecli run --anonymize` does, in place.
export function cover(context, heads, method) {
  for (const [left, top, right, bottom] of heads) {
    const width = right - left, height = bottom - top;
    if (width < 1 || height < 1) continue;
    if (method === "box") {
      context.fillStyle = "rgb(64 64 64)";
      context.fillRect(left, top, width, height);
      continue;
    }
    const side = Math.max(8, Math.ceil(Math.max(width, height) / 6));
    const cells = [Math.max(1, Math.floor(width / side)), Math.max(1, Math.floor(height / side))];
    const small = element("canvas", { width: cells[0], height: cells[1] });
    small.getContext("2d").drawImage(context.canvas, left, top, width, height, 0, 0, ...cells);
    context.imageSmoothingEnabled = method === "blur";
    context.clearRect(left, top, width, height);
    context.drawImage(small, 0, 0, ...cells, left, top, width, height);
    context.imageSmoothingEnabled = true;
  }
}

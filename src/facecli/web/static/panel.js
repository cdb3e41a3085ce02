// The panel of one face: crop, age curve, bars; a column for each model.
import { colour, element, heads, percent, texts, years } from "./common.js";
import { spoken } from "./labels.js";

const SVG = "http://www.w3.org/2000/svg";
const YEARS = 116, WIDTH = 320, HEIGHT = 110, FLOOR = 90;

function shape(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function curve(face) {
  const [low, high] = face.age_interval_90;
  const x = (year) => (year / YEARS) * WIDTH;
  const most = Math.max(...face.age_distribution);
  const points = face.age_distribution.map((share, year) => `${x(year).toFixed(1)},${(FLOOR - (share / most) * (FLOOR - 8)).toFixed(1)}`);
  const told = texts.curve.replace("{mean}", years(face)).replace("{low}", low).replace("{high}", high);
  const drawing = shape("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": told });
  drawing.append(
    shape("rect", { class: "interval", x: x(low), y: 0, width: x(high) - x(low), height: FLOOR }),
    shape("polygon", { class: "area", points: `0,${FLOOR} ${points.join(" ")} ${WIDTH},${FLOOR}` }),
    shape("line", { class: "mean", x1: x(face.age_years), x2: x(face.age_years), y1: 0, y2: FLOOR }),
    shape("line", { class: "axis", x1: 0, x2: WIDTH, y1: FLOOR, y2: FLOOR }),
  );
  for (let year = 0; year <= 100; year += 20) {
    drawing.append(shape("text", { x: x(year), y: HEIGHT - 4, "text-anchor": year ? "middle" : "start" }, String(year)));
  }
  return drawing;
}

function bar(name, share, minor) {
  return element("div", { className: minor ? "bar minor" : "bar" },
    element("span", { textContent: name.replaceAll("_", " ") }),
    element("progress", { max: 1, value: share, ariaHidden: "true" }),
    element("span", { textContent: percent(share) }));
}

// Below the name of a model, or, of the only one, below the face's.
const part = (name, title) => element(name ? "h4" : "h3", { className: "part", textContent: title });

function bars(heading, probabilities) {
  const entries = Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
  return [heading, ...entries.map(([name, share], rank) => bar(name, share, rank > 0))];
}

function column(name, face) {
  const made = element("div", {}, ...(name ? [element("h3", { textContent: name })] : []));
  if (face.rejected) made.append(element("p", { textContent: texts.rejected }));
  if (face.age_years !== undefined) {
    const [low, high] = face.age_interval_90;
    made.append(part(name, texts.age),
      element("p", { className: "big", textContent: `${years(face)} ${texts.years}` }),
      element("p", { className: "quiet", textContent: `${texts.interval}: ${low}-${high}` }));
    if (face.age_distribution) made.append(curve(face));
  }
  for (const head of heads.all) {
    const probabilities = face[`${head}_probabilities`];
    const title = texts[head] ?? head;
    if (probabilities) {
      made.append(...bars(part(name, face.uncertain?.includes(head) ? `${title}: ${texts.uncertain}` : title), probabilities));
    }
  }
  if (face.face_probability !== undefined) made.append(...bars(part(name, texts.face_probability), { [texts.yes]: face.face_probability }));
  return made;
}

// crop: a canvas; number: from 0; count: faces in the picture.
export function showFace(panel, face, crop, number, count) {
  panel.style.setProperty("--face", colour(number, face.rejected));
  crop.role = "img";
  crop.ariaLabel = texts.crop;
  const models = face.models ? Object.entries(face.models) : [["", face]];
  panel.replaceChildren(
    element("header", {}, crop, element("div", {},
      element("h2", { textContent: `${texts.face} ${number + 1} ${texts.of} ${count}` }),
      element("p", { textContent: spoken(face) }))),
    element("div", { className: "columns" }, ...models.map(([name, said]) => column(name, said))));
}

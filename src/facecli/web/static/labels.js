// What a label says in short lines, and where it goes: the rules of `facecli.draw.annotate`, for the pages.
import { allHeads, inWords, percent, shownHeads, texts, years } from "./common.js";

const SPACE = { text: " \u00b7 ", muted: true };
const joined = (words) => words.filter(Boolean).flatMap((word, at) => (at ? [SPACE, word] : [word]));

// Lines of words, {text, muted, face}: number and age, gender, all else; what is uncertain is "race?".
export function labelLines(face) {
  const number = face.track === undefined ? [] : [{ text: `#${face.track}  `, face: true }];
  if (face.rejected) return [[...number, { text: texts.rejected, muted: true }]];
  const age = face.age_years === undefined ? [] : [
    { text: years(face) }, { text: ` (${face.age_interval_90.join("-")})`, muted: true }];
  const word = (head) => {
    if (!face[head]) return null;
    return face.uncertain?.includes(head) ? { text: `${head}?`, muted: true } : { text: inWords(head, face) };
  };
  const rest = shownHeads(face).filter((head) => head !== "gender").map(word);
  return [[...number, ...age], joined([word("gender")]), joined(rest)].filter((line) => line.length);
}

// The face with only these of "age" and the heads, for its label.
export const only = (face, names) =>
  Object.fromEntries(Object.entries(face).filter(([key]) => {
    const name = key === "age_years" ? "age" : shownHeads(face).find((head) => key === head);
    return !name || names.includes(name);
  }));

// The face with what is less probable than `least` (0 to 1) named uncertain; null is what the model says.
export function doubted(face, least) {
  if (least === null) return face;
  const doubtful = allHeads(face).filter((head) => face[head] && face[`${head}_probabilities`][face[head]] < least);
  return { ...face, uncertain: doubtful };
}

// The words of `face` for a screen reader: "31 years, female 88%, emotion uncertain".
export function spoken(face) {
  if (face.rejected) return texts.rejected;
  const parts = [];
  if (face.age_years !== undefined) parts.push(`${years(face)} ${texts.years}`);
  for (const head of shownHeads(face)) {
    if (!face[head]) continue;
    const doubtful = face.uncertain?.includes(head);
    parts.push(doubtful ? `${texts[head] ?? head} ${texts.uncertain}` : `${inWords(head, face)} ${percent(face[`${head}_probabilities`][face[head]])}`);
  }
  return parts.join(", ");
}

// Along one axis, a plate's start: shares of box, plate and gap beyond the box's own start.
const STEPS = { before: [0, -1, -1], start: [0, 0, 0], middle: [0.5, -0.5, 0], end: [1, -1, 0], behind: [1, 0, 1], off: [1, 1, 2], away: [0, -2, -2] };
const PLACES = [
  ...["start", "middle", "end"].map((y, at) => ({ x: "behind", y, cost: 0.01 * at, side: "left" })),
  ...["start", "middle", "end"].map((y, at) => ({ x: "before", y, cost: 0.03 + 0.01 * at, side: "right" })),
  ...["middle", "start", "end"].map((x, at) => ({ x, y: "behind", cost: 0.06 + 0.01 * at, side: "top" })),
  ...["middle", "start", "end"].map((x, at) => ({ x, y: "before", cost: 0.09 + 0.01 * at, side: "bottom" })),
  ...["behind", "before"].flatMap((x) => ["behind", "before"].map((y) => ({ x, y, cost: 0.13, side: x === "behind" ? "left" : "right" }))),
  ...["start", "end"].map((x) => ({ x, y: "end", cost: 0.15, side: "left" })),
  ...["away", "before", "middle", "behind", "off"].flatMap((x) => ["away", "off"].map((y) => ({ x, y, cost: 0.3, side: y === "off" ? "top" : "bottom" }))),
  ...["away", "off"].flatMap((x) => ["before", "middle", "behind"].map((y) => ({ x, y, cost: 0.3, side: x === "off" ? "left" : "right" }))),
];
const ON_LABEL = 10, ON_FACE = 6, ON_HEAD = 1, TOUCHED = 0.5, MOVED = 0.25, USUAL = 0.3, ROUNDS = 3;

const shared = (one, other) =>
  Math.max(0, Math.min(one[2], other[2]) - Math.max(one[0], other[0])) * Math.max(0, Math.min(one[3], other[3]) - Math.max(one[1], other[1]));
function price(spot, others, weight) {
  const area = Math.max(1, (spot[2] - spot[0]) * (spot[3] - spot[1]));
  const share = others.reduce((sum, other) => sum + shared(spot, other), 0) / area;
  return weight * share + (share > 0 ? TOUCHED : 0);
}
const headOf = ([left, top, right, bottom]) => [
  left - 0.3 * (right - left), top - 0.45 * (bottom - top), right + 0.3 * (right - left), bottom + 0.15 * (bottom - top)];

function spotsOf([width, height], box, [stageWidth, stageHeight], gap) {
  const along = (step, start, size, plate) => start + STEPS[step][0] * size + STEPS[step][1] * plate + STEPS[step][2] * gap;
  const inside = (value, most) => Math.max(0, Math.min(value, most));
  return PLACES.map(({ x, y, cost, side }) => {
    const wanted = [along(x, box[0], box[2] - box[0], width), along(y, box[1], box[3] - box[1], height)];
    const left = inside(wanted[0], stageWidth - width), top = inside(wanted[1], stageHeight - height);
    const moved = Math.abs(left - wanted[0]) / width + Math.abs(top - wanted[1]) / height;
    return { spot: [left, top, left + width, top + height], side, cost: cost + MOVED * moved };
  });
}

// sizes: [width, height] of each plate; boxes: [left, top, right, bottom]; stage: [width, height].
// usual: number of each label's place in the frame before, or undefined. Gives {left, top, side, number} each.
export function placeLabels(sizes, boxes, stage, gap, usual = []) {
  const choices = sizes.map((size, at) => {
    const spots = spotsOf(size, boxes[at], stage, gap);
    const heads = boxes.filter((_, other) => other !== at).map(headOf);
    for (const [number, one] of spots.entries()) {
      one.cost += price(one.spot, boxes, ON_FACE) - (number === usual[at] ? USUAL : 0);
      const area = Math.max(1, size[0] * size[1]);
      one.cost += ON_HEAD * heads.reduce((sum, head) => sum + shared(one.spot, head), 0) / area;
    }
    return { spots, number: -1 };
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    let moved = false;
    for (const choice of choices) {
      const others = choices.filter((other) => other !== choice && other.number >= 0).map((other) => other.spots[other.number].spot);
      const costs = choice.spots.map((one) => one.cost + price(one.spot, others, ON_LABEL));
      const best = costs.indexOf(Math.min(...costs));
      moved ||= best !== choice.number;
      choice.number = best;
    }
    if (!moved) break;
  }
  return choices.map(({ spots, number }) => {
    const { spot, side } = spots[number];
    return { left: spot[0], top: spot[1], side, number };
  });
}

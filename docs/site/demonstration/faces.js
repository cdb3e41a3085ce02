// Finds faces and reads them as `facecli run --model-type open --detector cnn` does: the same networks, the same steps.
import { cut, shrink, similarity, warp } from "./pixels.js";

const sigmoid = (value) => 1 / (1 + Math.exp(-value));
const logit = (share) => {
  const inside = Math.min(Math.max(share, 1e-4), 1 - 1e-4);
  return Math.log(inside / (1 - inside));
};
// Halves go to the even number, as in NumPy.
const rint = (value) => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));
const side = ([left, top, right, bottom]) => Math.max(right - left, bottom - top);

// `run(name, data, shape)` gives the outputs of a network by name; `facts` is models.json.
export class FaceReader {
  constructor(run, facts) {
    this.run = run;
    this.facts = facts;
  }

  // Every face of a picture, from left to right. `longest`: the side to which the picture is shrunk for the search.
  async read(image, longest) {
    const found = await this.search(image, longest);
    if (longest === this.facts.detector.longest_side) found.push(...(await this.searchTiles(image, longest)));
    const kept = this.withoutOverlaps(found).map((one) => ({ ...one, box: this.inside(one.box, image) }));
    kept.sort((one, other) => one.box[0] - other.box[0] || one.box[1] - other.box[1]);
    const faces = [];
    for (const one of kept) {
      const look = await this.lookCloser(image, one);
      const score = this.probability(one.score, look);
      if (score >= this.facts.detector.score_threshold) {
        faces.push(await this.answers(image, one.box, score, look));
      }
    }
    return faces.filter((face) => face.face_probability >= this.facts.reader.face_threshold);
  }

  inside([left, top, right, bottom], { width, height }) {
    const clip = (value, low, high) => Math.min(Math.max(value, low), high);
    const x = clip(rint(left), 0, width - 1), y = clip(rint(top), 0, height - 1);
    return [x, y, clip(rint(right), x + 1, width), clip(rint(bottom), y + 1, height)];
  }

  async search(image, longest) {
    const scale = Math.min(1, longest / Math.max(image.width, image.height));
    const width = Math.max(1, rint(image.width * scale)), height = Math.max(1, rint(image.height * scale));
    const [wide, high] = [width, height].map((one) => Math.ceil(one / this.facts.step) * this.facts.step);
    const seen = cut(shrink(image, width, height), 0, 0, wide, high);
    const outputs = await this.run("detector", seen.data, [1, high, wide, 3]);
    const [x, y] = [image.width / width, image.height / height];
    return this.withoutOverlaps(this.decode(outputs, wide, high))
      .filter(({ box }) => box[0] < width && box[1] < height && box[2] > 0 && box[3] > 0)
      .map(({ box, score, points }) => ({
        box: [box[0] * x, box[1] * y, box[2] * x, box[3] * y], score, points: points.map((p) => [p[0] * x, p[1] * y]),
      }));
  }

  decode({ score, box, landmarks }, wide, high) {
    const { strides, box_span, landmark_span, search_threshold } = this.facts.detector;
    const least = logit(search_threshold), found = [];
    let cell = 0;
    for (const stride of strides) {
      for (let row = 0; row < high / stride; row++) {
        for (let column = 0; column < wide / stride; column++, cell++) {
          if (score[cell] < least) continue;
          const x = (column + 0.5) * stride, y = (row + 0.5) * stride;
          const far = [0, 1, 2, 3].map((one) => Math.exp(box[cell * 4 + one] * box_span) * stride);
          const points = [0, 1, 2, 3, 4].map((one) => [
            landmarks[cell * 10 + 2 * one] * landmark_span * stride + x,
            landmarks[cell * 10 + 2 * one + 1] * landmark_span * stride + y,
          ]);
          found.push({ box: [x - far[0], y - far[1], x + far[2], y + far[3]], score: sigmoid(score[cell]), points });
        }
      }
    }
    return found;
  }

  withoutOverlaps(found) {
    const kept = [];
    for (const one of [...found].sort((a, b) => b.score - a.score)) {
      if (kept.every((other) => overlap(one.box, other.box) <= this.facts.detector.nms_threshold)) kept.push(one);
    }
    return kept;
  }

  // Overlapping parts of a picture that is much larger than what is searched at once.
  async searchTiles(image, longest) {
    const { tiled, overlap: common, edge, small } = this.facts.detector.tiles;
    const scale = (tiled * longest) / Math.max(image.width, image.height);
    if (scale > 1) return [];
    const width = Math.max(1, rint(image.width * scale)), height = Math.max(1, rint(image.height * scale));
    const larger = shrink(image, width, height), found = [];
    for (const top of starts(height, longest, common)) {
      for (const left of starts(width, longest, common)) {
        const wide = Math.min(longest, width - left), high = Math.min(longest, height - top);
        for (const one of await this.search(cut(larger, left, top, wide, high), longest)) {
          const near = edge * side(one.box), [x0, y0, x1, y1] = one.box;
          const cutOff = (left > 0 && x0 < near) || (top > 0 && y0 < near) ||
            (left + wide < width && x1 > wide - near) || (top + high < height && y1 > high - near);
          if (side(one.box) > small * longest || cutOff) continue;
          found.push({
            box: [(x0 + left) / scale, (y0 + top) / scale, (x1 + left) / scale, (y1 + top) / scale],
            score: one.score, points: one.points.map(([x, y]) => [(x + left) / scale, (y + top) / scale]),
          });
        }
      }
    }
    return found;
  }

  probability(score, look) {
    const { weights, bias } = this.facts.detector;
    const features = [logit(score), logit(look.face), Math.log(look.error + 1e-6)];
    return sigmoid(features.reduce((sum, one, place) => sum + one * weights[place], bias));
  }

  // Looks at a face until its landmarks are sure, three times more at most.
  async lookCloser(image, { box, points }) {
    const { side: small, margin, landmarks, sure } = this.facts.closeup;
    const [left, top, square] = this.square(box), scale = small / (square * (1 + 2 * margin));
    const byBox = [
      [scale, 0, small / 2 - scale * (left + square / 2)], [0, scale, small / 2 - scale * (top + square / 2)],
    ];
    const look = (from) => this.look(image, (from && similarity(from, landmarks)) || byBox);
    let best = await look(points);
    if (best.error < sure) return best;
    const anew = await look(null), first = best;
    if (anew.error < best.error) best = anew;
    for (const start of [first, anew]) {
      const again = await look(start.points);
      if (again.error < best.error) best = again;
    }
    return best;
  }

  async look(image, map) {
    const { side: small, per_eyes } = this.facts.closeup;
    const found = await this.run("landmarks", warp(image, map, small), [1, small, small, 3]);
    const [[a, b, c], [d, e, f]] = map, over = a * e - b * d;
    const points = [0, 1, 2, 3, 4].map((one) => {
      const x = (found.landmarks[2 * one] + 1) * (small / 2) - c, y = (found.landmarks[2 * one + 1] + 1) * (small / 2) - f;
      return [(e * x - b * y) / over, (a * y - d * x) / over];
    });
    return { points, error: Math.exp(found.error[0]) * per_eyes, face: sigmoid(found.face[0]) };
  }

  // Left, top and side of what is cut around a box.
  square([left, top, right, bottom]) {
    const { margin, shift_y } = this.facts.chip, own = Math.max(right - left, bottom - top);
    const square = rint(own * (1 + 2 * margin));
    const x = (left + right) / 2, y = (top + bottom) / 2 + shift_y * own;
    return [rint(x - square / 2), rint(y - square / 2), square];
  }

  async answers(image, box, score, look) {
    const { image_size: size, temperatures, outputs } = this.facts.reader;
    const chip = this.chip(box, look.points) || this.chipOfBox(box);
    const raw = await this.run("reader", warp(image, chip, size), [1, size, size, 3]);
    const face = { box_xyxy: box, detector_confidence: score, landmarks: look.points, face_probability: raw.face[outputs.face] };
    const heads = { gender: temper(raw.gender, temperatures.gender), race_7: temper(raw.race_7, temperatures.race_7) };
    heads.race = this.facts.reader.labels.race.map((name) =>
      heads.race_7.reduce((sum, one, place) => sum + (this.facts.reader.folds[place] === name ? one : 0), 0));
    const doubtful = quality(look, this.facts.quality) < this.facts.reader.lowest_quality;
    face.uncertain = [];
    for (const [head, probabilities] of Object.entries(heads)) {
      const best = probabilities.indexOf(Math.max(...probabilities));
      face[head] = this.facts.reader.labels[head][best];
      face[`${head}_probability`] = probabilities[best];
      if (doubtful || probabilities[best] < (this.facts.reader.uncertain_below[head] ?? 0)) face.uncertain.push(head);
    }
    return { ...face, ...ages(raw.age, this.facts.reader.age_interval) };
  }

  // The map that lays a face upright; null when the landmarks cannot be those of a face in that box.
  chip(box, points) {
    const { landmarks, sides, off } = this.facts.chip, { image_size: size } = this.facts.reader;
    const map = similarity(points, landmarks.map((point) => point.map((one) => one * size)));
    if (!map) return null;
    const [[a, b, c], [d, e, f]] = map, over = a * e - b * d, own = side(box);
    const x = (e * (size / 2 - c) - b * (size / 2 - f)) / over, y = (a * (size / 2 - f) - d * (size / 2 - c)) / over;
    const apart = Math.max(Math.abs(x - (box[0] + box[2]) / 2), Math.abs(y - (box[1] + box[3]) / 2));
    const relative = size / Math.hypot(a, d) / own;
    return sides[0] <= relative && relative <= sides[1] && apart <= off * own ? map : null;
  }

  chipOfBox(box) {
    const [left, top, square] = this.square(box), scale = this.facts.reader.image_size / square;
    return [[scale, 0, -scale * left], [0, scale, -scale * top]];
  }
}

function overlap(one, other) {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const high = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (wide <= 0 || high <= 0) return 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (wide * high) / (area(one) + area(other) - wide * high);
}

function starts(length, longest, common) {
  const count = Math.max(Math.ceil((length - longest) / (longest * (1 - common))) + 1, 1);
  const last = Math.max(length - longest, 0);
  return Array.from({ length: count }, (_, place) => (count === 1 ? 0 : rint((last * place) / (count - 1))));
}

function temper(probabilities, temperature) {
  const logits = Array.from(probabilities, (one) => Math.log(Math.max(one, 1e-12)) / temperature);
  const most = Math.max(...logits), raised = logits.map((one) => Math.exp(one - most));
  const sum = raised.reduce((total, one) => total + one, 0);
  return raised.map((one) => one / sum);
}

function between(at, knots, values) {
  if (at <= knots[0]) return values[0];
  for (let place = 1; place < knots.length; place++) {
    if (at <= knots[place]) {
      const share = (at - knots[place - 1]) / (knots[place] - knots[place - 1]);
      return values[place - 1] + share * (values[place] - values[place - 1]);
    }
  }
  return values[values.length - 1];
}

// The expected age, and the years that hold nine of ten true ages.
function ages(probabilities, { ages: knots, low, high, smallest_spread }) {
  const expected = probabilities.reduce((sum, one, year) => sum + one * year, 0);
  const variance = probabilities.reduce((sum, one, year) => sum + one * (year - expected) ** 2, 0);
  const spread = Math.max(Math.sqrt(variance), smallest_spread), inside = [];
  probabilities.forEach((_, year) => {
    const distance = (year - expected) / spread;
    const within = between(year, knots, low) <= distance && distance <= between(year, knots, high);
    if (within || year === rint(expected)) inside.push(year);
  });
  return { age_years: expected, age_interval_90: [inside[0], inside[inside.length - 1]] };
}

function quality({ points, error }, { small, half_read }) {
  const [left, right, , ...mouth] = points;
  const across = Math.hypot(right[0] - left[0], right[1] - left[1]);
  const down = Math.hypot(
    (mouth[0][0] + mouth[1][0]) / 2 - (left[0] + right[0]) / 2, (mouth[0][1] + mouth[1][1]) / 2 - (left[1] + right[1]) / 2);
  const size = Math.max(across, down);
  return size / (size + small) / (1 + (error / half_read) ** 2);
}

// Pictures as {width, height, data}: three bytes a pixel, RGB. Computed as OpenCV does it on the command line.

export function fromImageData(image) {
  const { width, height, data: rgba } = image;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    // What is transparent shows white.
    const alpha = rgba[from + 3] / 255;
    for (let channel = 0; channel < 3; channel++) {
      data[to++] = alpha === 1 ? rgba[from + channel] : Math.round(rgba[from + channel] * alpha + 255 * (1 - alpha));
    }
  }
  return { width, height, data };
}

// For each pixel along a side that shrinks: the first it is made of, and the shares of those.
function shares(from, to) {
  const step = from / to;
  return Array.from({ length: to }, (_, place) => {
    const low = place * step, high = Math.min(low + step, from), first = Math.floor(low + 1e-6);
    const weights = [];
    for (let one = first; one < high - 1e-6; one++) {
      weights.push((Math.min(one + 1, high) - Math.max(one, low)) / (high - low));
    }
    return { first, weights };
  });
}

// Averages pixels: what a picture is shrunk by.
export function shrink(image, width, height) {
  if (image.width === width && image.height === height) return image;
  const across = shares(image.width, width), down = shares(image.height, height);
  const row = new Float32Array(width * 3), data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    row.fill(0);
    down[y].weights.forEach((share, line) => {
      const start = (down[y].first + line) * image.width;
      for (let x = 0, to = 0; x < width; x++, to += 3) {
        const { first, weights } = across[x];
        for (let one = 0; one < weights.length; one++) {
          const from = (start + first + one) * 3, weight = share * weights[one];
          row[to] += weight * image.data[from];
          row[to + 1] += weight * image.data[from + 1];
          row[to + 2] += weight * image.data[from + 2];
        }
      }
    });
    for (let to = 0; to < row.length; to++) data[y * width * 3 + to] = Math.round(row[to]);
  }
  return { width, height, data };
}

// The part from (left, top), with black where there is no picture.
export function cut(image, left, top, width, height) {
  const data = new Uint8Array(width * height * 3);
  const wide = Math.min(width, image.width - left);
  for (let y = 0; y < Math.min(height, image.height - top); y++) {
    const from = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(from, from + wide * 3), y * width * 3);
  }
  return { width, height, data };
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// What an affine map [[a, b, c], [d, e, f]] takes to a square of `side` pixels; averaged first where it shrinks much.
export function warp(image, map, side) {
  let shown = image, [[a, b, c], [d, e, f]] = map;
  const factor = Math.trunc(1 / Math.max(Math.hypot(a, d), 1e-3));
  if (factor >= 2) {
    const part = needed(image, map, side);
    c += a * part.left + b * part.top;
    f += d * part.left + e * part.top;
    const width = Math.max(Math.floor(part.width / factor), 1), height = Math.max(Math.floor(part.height / factor), 1);
    a *= part.width / width; d *= part.width / width;
    b *= part.height / height; e *= part.height / height;
    shown = shrink(cut(image, part.left, part.top, part.width, part.height), width, height);
  }
  // Counted from the middle of a pixel, then the way back.
  c += (a + b) / 2 - 0.5;
  f += (d + e) / 2 - 0.5;
  const over = a * e - b * d, back = [e / over, -b / over, -d / over, a / over];
  const data = new Uint8Array(side * side * 3), { width, height, data: from } = shown;
  for (let y = 0, to = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const atX = Math.round((back[0] * (x - c) + back[1] * (y - f)) * 32) / 32;
      const atY = Math.round((back[2] * (x - c) + back[3] * (y - f)) * 32) / 32;
      const left = Math.floor(atX), top = Math.floor(atY), right = atX - left, below = atY - top;
      const x0 = clamp(left, 0, width - 1), x1 = clamp(left + 1, 0, width - 1);
      const y0 = clamp(top, 0, height - 1) * width, y1 = clamp(top + 1, 0, height - 1) * width;
      for (let channel = 0; channel < 3; channel++) {
        const upper = from[(y0 + x0) * 3 + channel] * (1 - right) + from[(y0 + x1) * 3 + channel] * right;
        const lower = from[(y1 + x0) * 3 + channel] * (1 - right) + from[(y1 + x1) * 3 + channel] * right;
        data[to++] = Math.round(upper * (1 - below) + lower * below);
      }
    }
  }
  return data;
}

// The part of a picture that a map takes to the result.
function needed(image, [[a, b, c], [d, e, f]], side) {
  const over = a * e - b * d, room = 2 / Math.max(Math.hypot(a, d), 1e-3);
  const corners = [[0, 0], [side, 0], [0, side], [side, side]].map(([x, y]) => [
    (e * (x - c) - b * (y - f)) / over, (a * (y - f) - d * (x - c)) / over,
  ]);
  const range = (axis, length) => {
    const seen = corners.map((corner) => corner[axis]);
    const low = clamp(Math.floor(Math.min(...seen) - room), 0, length - 1);
    return [low, clamp(Math.ceil(Math.max(...seen) + room), low + 1, length)];
  };
  const [left, right] = range(0, image.width), [top, bottom] = range(1, image.height);
  return { left, top, width: right - left, height: bottom - top };
}

// The turned, scaled and moved copy of points that lies nearest to others, as a map; null when they coincide.
export function similarity(points, others) {
  const middle = (of) => [0, 1].map((axis) => of.reduce((sum, one) => sum + one[axis], 0) / of.length);
  const [mx, my] = middle(points), [ox, oy] = middle(others);
  let size = 0, real = 0, imaginary = 0;
  points.forEach(([px, py], place) => {
    const x = px - mx, y = py - my, u = others[place][0] - ox, v = others[place][1] - oy;
    size += x * x + y * y;
    real += x * u + y * v;
    imaginary += x * v - y * u;
  });
  if (!(size > 1e-9) || !Number.isFinite(size)) return null;
  const re = real / size, im = imaginary / size;
  return [[re, -im, ox - (re * mx - im * my)], [im, re, oy - (im * mx + re * my)]];
}

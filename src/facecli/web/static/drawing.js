// The picture as the page shows it, in its own size: what lies over it is drawn into a copy.
import { element } from "./common.js";

// canvas: the picture; spots: the faces over it, each with its box and its label. Gives a canvas.
export function drawnAsShown(canvas, spots) {
  const seen = canvas.getBoundingClientRect(), scale = canvas.width / seen.width;
  const made = element("canvas", { width: canvas.width, height: canvas.height });
  const context = made.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const placeOf = (node) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    return [(left - seen.left) * scale, (top - seen.top) * scale, width * scale, height * scale];
  };
  // Boxes first: no line crosses a label.
  for (const spot of spots) outline(context, spot.querySelector(".box"), placeOf(spot), scale);
  for (const spot of spots) for (const plate of spot.querySelectorAll(".plate")) label(context, plate, placeOf, scale);
  return made;
}

function outline(context, box, [left, top, width, height], scale) {
  const look = getComputedStyle(box);
  // Lines that are hidden on the page are none here.
  if (look.borderTopColor === "rgba(0, 0, 0, 0)") return;
  const dashes = look.borderTopStyle === "dashed" ? [8 * scale, 6 * scale] : [];
  for (const [colour, line] of [["#101114", 5], [look.borderTopColor, 3]]) {
    context.setLineDash(dashes);
    context.strokeStyle = colour;
    context.lineWidth = line * scale;
    context.strokeRect(left + 1.5 * scale, top + 1.5 * scale, width - 3 * scale, height - 3 * scale);
  }
  context.setLineDash([]);
}

function label(context, plate, placeOf, scale) {
  const look = getComputedStyle(plate);
  const [left, top, width, height] = placeOf(plate);
  context.fillStyle = look.backgroundColor;
  context.fillRect(left, top, width, height);
  context.fillStyle = getComputedStyle(plate.parentElement).getPropertyValue("--face");
  const edge = 3 * scale;
  const edges = { left: [left, top, edge, height], right: [left + width - edge, top, edge, height], top: [left, top, width, edge], bottom: [left, top + height - edge, width, edge] };
  if (edges[plate.dataset.side]) context.fillRect(...edges[plate.dataset.side]);
  context.textBaseline = "middle";
  for (const word of plate.querySelectorAll(".line > span")) {
    const [x, y, , tall] = placeOf(word);
    context.font = `${look.fontWeight} ${parseFloat(look.fontSize) * scale}px ${look.fontFamily}`;
    context.fillStyle = getComputedStyle(word).color;
    context.fillText(word.textContent, x, y + tall / 2);
  }
}

// What can be taken away: the answer as JSON, a table, the drawn picture.
import { heads, save } from "./common.js";

const COLUMNS = [
  ["x_min", (face) => face.box_xyxy[0]], ["y_min", (face) => face.box_xyxy[1]],
  ["x_max", (face) => face.box_xyxy[2]], ["y_max", (face) => face.box_xyxy[3]],
  ["detector_confidence", (face) => face.detector_confidence], ["face_probability", (face) => face.face_probability],
  ["rejected", (face) => (face.rejected ? 1 : 0)], ["age_years", (face) => face.age_years],
  ["age_low", (face) => face.age_interval_90?.[0]], ["age_high", (face) => face.age_interval_90?.[1]],
  ["age_group", (face) => face.age_group],
  ...heads.all.flatMap((head) => [
    [head, (face) => face[head]],
    [`${head}_probability`, (face) => face[head] && face[`${head}_probabilities`][face[head]]],
  ]),
];

// RFC 4180; a cell that a spreadsheet would take for a formula is made text.
function cell(value) {
  let text = value === undefined || value === null ? "" : String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function table(rows) {
  const lines = [["source", "face", ...COLUMNS.map(([name]) => name), "width", "height"]];
  for (const row of rows) {
    const tail = [row.width, row.height];
    row.faces.forEach((face, index) => lines.push([row.source, index + 1, ...COLUMNS.map(([, read]) => read(face)), ...tail]));
    if (!row.faces.length) lines.push([row.source, "", ...COLUMNS.map(() => ""), ...tail]);
  }
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

const stem = (row) => row.source.replace(/^.*\//, "").replace(/\.[^.]*$/, "") || "picture";

export const saveJson = (rows) =>
  save(new Blob([JSON.stringify(rows.length === 1 ? rows[0] : { pictures: rows }, null, 1)], { type: "application/json" }), `${stem(rows[0])}.json`);
export const saveCsv = (rows) => save(new Blob([table(rows)], { type: "text/csv" }), `${stem(rows[0])}.csv`);
export const saveAnnotated = (blob, row) => save(blob, `${stem(row)}-faces.png`);

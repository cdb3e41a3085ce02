// What can be taken away: the answer as JSON, a table, the drawn picture.
import { heads, save } from "./common.js";

// Columns that are not a key of the picture or of the face.
const READ = {
  face: (row, face) => face && row.faces.indexOf(face) + 1,
  x_min: (row, face) => face?.box_xyxy[0], y_min: (row, face) => face?.box_xyxy[1],
  x_max: (row, face) => face?.box_xyxy[2], y_max: (row, face) => face?.box_xyxy[3],
  // 0 and 1: spreadsheets translate true and false.
  rejected: (row, face) => face && "rejected" in face ? Number(face.rejected) : undefined,
  age_low: (row, face) => face?.age_interval_90?.[0], age_high: (row, face) => face?.age_interval_90?.[1],
  uncertain: (row, face) => face?.uncertain?.join(" "),
  ...Object.fromEntries(heads.all.map((head) => [
    `${head}_probability`, (row, face) => face?.[head] && face[`${head}_probabilities`][face[head]],
  ])),
};
const value = (name, row, face) => (name in READ ? READ[name](row, face) : name in row ? row[name] : face?.[name]);

// How a text begins that spreadsheets run, also behind quotes and spaces: as in `facecli.sinks.table`.
const FORMULA = /^[\s'"]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

// RFC 4180; a cell that a spreadsheet would take for a formula is made text.
function cell(value) {
  let text = value === undefined || value === null ? "" : String(value);
  if (typeof value === "string" && FORMULA.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// The columns of `facecli run --csv`.
export function table(rows) {
  const lines = [heads.columns];
  for (const row of rows) {
    // A picture without a face has a row, too.
    for (const face of row.faces.length ? row.faces : [undefined]) {
      lines.push(heads.columns.map((name) => value(name, row, face)));
    }
  }
  return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

const stem = (row) => row.source.replace(/^.*\//, "").replace(/\.[^.]*$/, "") || "picture";

export const saveJson = (rows) =>
  save(new Blob([JSON.stringify(rows.length === 1 ? rows[0] : { pictures: rows }, null, 1)], { type: "application/json" }), `${stem(rows[0])}.json`);
export const saveCsv = (rows) => save(new Blob([table(rows)], { type: "text/csv" }), `${stem(rows[0])}.csv`);
export const savePicture = (blob, row, kind) => save(blob, `${stem(row)}-${kind}.png`);

// The page for pictures: what was given, what was read of it, and what is shown.
import { byId, choices, colour, cover, coverName, detectorName, element, furtherHeads, heads, percent, say, status, texts } from "./common.js";
import { saveCsv, saveJson, savePicture } from "./downloads.js";
import { drawnAsShown } from "./drawing.js";
import { doubted, labelLines, only, placeLabels, spoken } from "./labels.js";
import { showFace } from "./panel.js";
import * as server from "./server.js";

// {name, blob, or null with its url, waiting: to be read (again), shown: ImageBitmap or null, row or null, problem or null}
const pictures = [];
let current = null, chosen = 0, reading = false;

// What is asked of the server; how it is drawn is the page's own doing.
const wish = () => {
  const query = new URLSearchParams();
  const models = [...document.querySelectorAll("#models input:checked")].map((box) => box.value);
  if (models.length) query.set("model", models.join(","));
  query.set("detector", byId("detector").value);
  return query;
};

// With what is taken for no face and with heads, so that neither needs another answer.
const question = () => {
  const query = wish();
  for (const [name, value] of [["details", "true"], ["show_rejected", "true"], ["anonymize", "box"]]) query.set(name, value);
  return query;
};

// The row as its options say: without what nobody asked for.
function asked(row) {
  if (!row?.faces) return row;
  const covered = byId("anonymize").value, { heads_xyxy, ...rest } = row;
  const kept = row.faces.filter((face) => byId("rejected").checked || !face.rejected);
  const faces = kept.map(({ head_xyxy, ...face }) => (covered ? { ...face, head_xyxy } : face));
  return covered ? { ...rest, faces, heads_xyxy } : { ...rest, faces };
}

async function read(picture) {
  picture.waiting = false;
  const answer = { row: null, problem: null };
  try {
    answer.row = await server.analyze(picture, question());
    answer.shown = picture.shown ?? await bitmap(picture);
  } catch (error) {
    Object.assign(answer, { row: null, problem: say("failed", { name: picture.name, why: error.message }) });
  }
  // The options have changed meanwhile: it waits to be read again.
  if (!picture.waiting) Object.assign(picture, answer);
}

// Whatever is given or changed while pictures are read waits, too: one reads them all, one after another.
async function work() {
  if (reading) return;
  reading = true;
  try {
    tell(await readAll());
  } finally {
    reading = false;
  }
}

// Gives those that failed and are not shown.
async function readAll() {
  const failed = new Set();
  for (let picture = next(); picture; picture = next()) {
    status(say("working", { name: picture.name }));
    await read(picture);
    failed[picture.problem ? "add" : "delete"](picture);
    if (!picture.waiting && (picture === current || (current.problem && picture.row))) show(picture);
    strip();
  }
  failed.delete(current);
  return [...failed];
}

const next = () => (current?.waiting ? current : pictures.find((picture) => picture.waiting));

// Foreign pictures cannot be shown here (the page may load nothing from elsewhere); ours gives a copy.
async function bitmap(picture) {
  const query = wish();
  query.set("format", "png");
  query.set("plain", "true");
  const blob = picture.blob ?? await server.annotate(picture, query);
  try {
    return await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new Error(texts.not_drawn);
  }
}

function add(given) {
  const added = given.map((one) => ({ ...one, waiting: true, shown: null, row: null, problem: null }));
  if (!added.length) return;
  pictures.push(...added);
  show(added[0]);
  work();
}

function again() {
  for (const picture of pictures) picture.waiting = true;
  work();
}

// A face as the model says it whose labels are shown.
function told(face) {
  const least = byId("uncertain_below").value;
  const said = face.models ? { ...face, ...face.models[byId("shown_model").value] } : face;
  return doubted(said, least === "" ? null : Number(least));
}
const attributes = () => [...document.querySelectorAll("#attributes input:checked")].map((box) => box.value);

function show(picture) {
  current = picture;
  chosen = 0;
  byId("result").hidden = !picture.row;
  tell();
  if (!picture.row) return;
  const names = Object.keys(asked(picture.row).faces[0]?.models ?? {});
  byId("labels_of").hidden = !names.length;
  const kept = byId("shown_model").value;
  choices(byId("shown_model"), names, (name) => name, names.includes(kept) ? kept : names[0]);
  draw();
}

// Says what is known of the current picture, and what became of others that failed.
function tell(failed = []) {
  if (current) status([words(current), ...failed.map(words)].join(" "), Boolean(current.problem || failed.length));
}

function words({ name, row, problem }) {
  if (problem || !row) return problem ?? say("working", { name });
  const count = asked(row).faces.length;
  return `${name}: ${count === 1 ? texts.one_face : count ? say("many_faces", { n: count }) : texts.no_faces}`;
}

// Letters, attributes, boxes, covered heads: nothing is sent for them.
function redraw() {
  if (!current?.row) return;
  tell();
  draw();
  strip();
}

function draw() {
  const row = asked(current.row), { shown } = current;
  offer(furtherHeads(row.faces.map(told)));
  const canvas = Object.assign(byId("picture"), { width: shown.width, height: shown.height });
  const context = canvas.getContext("2d");
  context.drawImage(shown, 0, 0);
  if (byId("anonymize").value && row.heads_xyxy) {
    const scale = shown.width / row.width;
    cover(context, row.heads_xyxy.map((head) => head.map((side) => side * scale)), byId("anonymize").value);
  }
  byId("boxes").classList.toggle("bare", !byId("outlines").checked);
  byId("boxes").style.setProperty("--letters", byId("label_size").value);
  byId("boxes").replaceChildren(...row.faces.map((face, index) => spot(face, index, row)));
  choose(Math.min(chosen, Math.max(0, row.faces.length - 1)));
  arrange();
}

function spot(face, index, row) {
  const [left, top, right, bottom] = face.box_xyxy;
  const lines = labelLines(only(told(face), attributes())).map((line) => element("span", { className: "line" },
    ...line.map(({ text, muted }) => element("span", { className: muted ? "muted" : "", textContent: text }))));
  const box = element("button", { type: "button", className: "box", ariaLabel: `${texts.face} ${index + 1}: ${spoken(told(face))}` });
  // Beside the button, not in it: its name says more than the label shows.
  const made = element("div", { className: "spot" }, box,
    ...(lines.length ? [element("span", { className: "plate", ariaHidden: "true" }, ...lines)] : []));
  box.classList.toggle("refused", Boolean(face.rejected));
  made.style.setProperty("--face", colour(index, face.rejected));
  made.style.left = `${(100 * left) / row.width}%`;
  made.style.top = `${(100 * top) / row.height}%`;
  made.style.width = `${(100 * (right - left)) / row.width}%`;
  made.style.height = `${(100 * (bottom - top)) / row.height}%`;
  box.addEventListener("click", () => choose(index));
  return made;
}

// Labels keep their size on the screen while the picture grows and shrinks with the window.
function arrange() {
  const stage = byId("stage").getBoundingClientRect(), spots = [...byId("boxes").children];
  const plates = spots.map((one) => one.querySelector(".plate"));
  if (!stage.width || !plates.some(Boolean)) return;
  const places = spots.map((one) => {
    const { left, top, right, bottom } = one.getBoundingClientRect();
    return [left - stage.left, top - stage.top, right - stage.left, bottom - stage.top];
  });
  // A face about whom nothing is said has a label of no size, which is in nobody's way.
  const sizes = plates.map((plate) => (plate ? [plate.offsetWidth, plate.offsetHeight] : [1, 1]));
  placeLabels(sizes, places, [stage.width, stage.height], 3).forEach(({ left, top, side }, at) => {
    if (!plates[at]) return;
    plates[at].dataset.side = side;
    plates[at].style.left = `${left - places[at][0]}px`;
    plates[at].style.top = `${top - places[at][1]}px`;
  });
}

const buttons = () => [...byId("boxes").querySelectorAll(".box")];

function choose(index) {
  chosen = index;
  const row = asked(current.row);
  buttons().forEach((box, at) => { box.ariaPressed = String(at === index); });
  const face = row.faces[index];
  if (!face) return byId("face").replaceChildren(element("p", { className: "quiet", textContent: texts.no_faces }));
  showFace(byId("face"), { ...told(face), models: face.models }, crop(face, row), index, row.faces.length);
  return undefined;
}

function crop(face, row) {
  const scale = byId("picture").width / row.width;
  const [left, top, right, bottom] = face.box_xyxy.map((side) => side * scale);
  const side = Math.max(right - left, bottom - top) * 1.3;
  const made = element("canvas", { width: 192, height: 192 });
  made.getContext("2d").drawImage(byId("picture"), (left + right - side) / 2, (top + bottom - side) / 2, side, side, 0, 0, 192, 192);
  return made;
}

function strip() {
  byId("strip").hidden = pictures.length < 2;
  byId("strip").replaceChildren(...pictures.map((picture) => {
    const made = element("button", { type: "button", title: picture.name, ariaLabel: picture.name, ariaPressed: String(picture === current) });
    if (picture.shown) {
      const small = element("canvas", { width: 72, height: 72 });
      const side = Math.min(picture.shown.width, picture.shown.height);
      const context = small.getContext("2d");
      context.drawImage(picture.shown, (picture.shown.width - side) / 2, 0, side, side, 0, 0, 72, 72);
      if (byId("anonymize").value) cover(context, [[0, 0, 72, 72]], byId("anonymize").value);
      made.append(small);
    } else {
      made.append(picture.name);
    }
    made.addEventListener("click", () => { show(picture); strip(); });
    return made;
  }));
}

function downloads() {
  const rows = () => pictures.filter((picture) => picture.row).map((picture) => asked(picture.row));
  const offer = (text, act) => {
    const made = element("button", { type: "button", textContent: text });
    made.addEventListener("click", act);
    return made;
  };
  byId("downloads").append(
    offer(texts.json, () => saveJson(rows())), " ", offer(texts.csv, () => saveCsv(rows())), " ",
    offer(texts.annotated, () => {
      const { row } = current;
      drawnAsShown(byId("picture"), [...byId("boxes").children]).toBlob((blob) => savePicture(blob, row, "faces"), "image/png");
    }), " ",
    offer(texts.panels, savePanels));
}

// Drawn by the server, as `facecli run --details` does it.
async function savePanels() {
  const query = wish();
  for (const [name, value] of [["details", "true"], ["format", "png"], ["label_size", byId("label_size").value]]) query.set(name, value);
  if (byId("anonymize").value) query.set("anonymize", byId("anonymize").value);
  if (byId("rejected").checked) query.set("show_rejected", "true");
  try {
    savePicture(await server.annotate(current, query), current.row, "panels");
  } catch (error) {
    status(error.message, true);
  }
}

// The drawing is made a picture here and read like any other.
function tryExample() {
  const made = element("canvas", { width: 960, height: 600 });
  made.getContext("2d").drawImage(byId("drawing"), 0, 0, made.width, made.height);
  made.toBlob((blob) => add([{ name: texts.example_name, blob }]), "image/png");
}

// Queries hold passwords and tokens.
function shownAddress(url) {
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname}${search && "?…"}`;
}

const named = (files) => [...files].map((file) => ({ name: file.name || "picture", blob: file }));

function listen() {
  byId("files").addEventListener("change", (event) => { add(named(event.target.files)); event.target.value = ""; });
  byId("address").addEventListener("submit", (event) => {
    event.preventDefault();
    const url = byId("url").value;
    add([{ name: shownAddress(url), blob: null, url }]);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      byId("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) add(named(event.dataTransfer.files));
    });
  }
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) add(named(event.clipboardData.files));
  });
  byId("options").addEventListener("change", again);
  byId("options").addEventListener("submit", (event) => event.preventDefault());
  byId("shown_model").addEventListener("change", draw);
  byId("example").addEventListener("click", tryExample);
  byId("look").addEventListener("change", redraw);
  byId("look").addEventListener("submit", (event) => event.preventDefault());
  new ResizeObserver(arrange).observe(byId("stage"));
  byId("boxes").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const boxes = buttons();
    if (!step || !boxes.length) return;
    event.preventDefault();
    const next = (chosen + step + boxes.length) % boxes.length;
    boxes[next].focus();
    choose(next);
  });
}

// Sizes of letters, relative to what is usual here, and probabilities.
const SIZES = { small: 0.8, normal: 1, large: 1.3, huge: 1.7 }, LEAST = ["", 0, 0.5, 0.6, 0.7, 0.8, 0.9];

// Attributes that may be shown: those of every model, and what a model brings as soon as it has answered.
function offer(names) {
  const there = [...document.querySelectorAll("#attributes input")].map((box) => box.value);
  byId("attributes").append(...names.filter((name) => !there.includes(name)).map((name) => element("label", { className: "check" },
    element("input", { type: "checkbox", value: name, checked: true }), ` ${texts[name] ?? name}`)));
}

function tools() {
  offer(["age", ...heads.shown]);
  byId("label_size").replaceChildren(...Object.entries(SIZES).map(([name, size]) => new Option(texts[name], size, false, size === 1)));
  choices(byId("uncertain_below"), LEAST, (least) => (least === "" ? texts.by_model : percent(least)), "");
}

async function begin() {
  tools();
  downloads();
  listen();
  try {
    const here = await server.models();
    byId("models").replaceChildren(...here.models.map(({ name, measured }) => {
      const box = element("input", { type: "checkbox", value: name, checked: name === here.default });
      return element("label", { className: "check", title: measured }, box, ` ${name}`);
    }));
    choices(byId("detector"), here.detectors, detectorName, here.default_detector);
    choices(byId("anonymize"), ["", ...here.anonymize], coverName, "");
  } catch (error) {
    status(error.message, true);
  }
}

begin();

// The page: a file or the camera goes in, boxes and answers come out. Nothing leaves the browser.
import { loadAndCompile, loadLiteRt, Tensor } from "./litert/index.js";
import { FaceReader } from "./faces.js";
import { fromImageData } from "./pixels.js";

const HERE = new URL(".", import.meta.url);
const MOST_PIXELS = 24e6, PICTURE_SIDE = 640, CAMERA_SIDE = 320, MOST_NETWORKS = 6;
// A module of one instruction of SIMD: what the networks are computed with.
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);
const find = (id) => document.getElementById(id);
const told = find("demo-told"), canvas = find("demo-picture"), answers = find("demo-answers"), camera = find("demo-camera");
let reader = null, stream = null;

function tell(text, wrong = false) {
  told.textContent = text;
  told.classList.toggle("demo-wrong", wrong);
}

class Sentence extends Error {}

async function loaded() {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(SIMD)) {
    throw new Sentence("This browser has no WebAssembly SIMD, which the networks need. Browsers since 2021 (Safari since 2023) have it; the command line runs everywhere.");
  }
  const answer = await fetch(new URL("models.json", HERE));
  const facts = await answer.json();
  await loadLiteRt(new URL("litert/", HERE).href);
  const files = {};
  await Promise.all(Object.entries(facts.files).map(async ([name, file]) => {
    files[name] = await (await fetch(new URL(file, HERE))).arrayBuffer();
  }));
  const compiled = new Map();
  const network = async (name, shape) => {
    const key = `${name} ${shape}`;
    if (!compiled.has(key)) {
      compiled.set(key, await loadAndCompile(ofSize(files[name], facts.free[name], facts.step, shape), { accelerator: "wasm" }));
      const [oldest] = [...compiled.keys()].filter((one) => one.startsWith("detector"));
      if (compiled.size > MOST_NETWORKS) {
        compiled.get(oldest).delete();
        compiled.delete(oldest);
      }
    }
    return compiled.get(key);
  };
  const run = async (name, data, shape) => {
    const model = await network(name, shape), tensor = new Tensor(data, shape), outputs = {};
    const found = await model.run(tensor);
    model.getOutputDetails().forEach((output, place) => {
      outputs[output.name] = found[place].toTypedArray().slice();
      found[place].delete();
    });
    tensor.delete();
    return outputs;
  };
  return new FaceReader(run, facts);
}

// A network for pictures of one size: LiteRT for the web knows no free sides (docs/site/demonstration.py).
function ofSize(file, free, step, [, height, width]) {
  const copy = file.slice(0), view = new DataView(copy), h = height / step, w = width / step;
  for (const [offset, d, a, b, c] of free ?? []) view.setInt32(offset, d + a * h + b * w + c * h * w, true);
  return new Uint8Array(copy);
}

let loading = null;
async function ready() {
  loading ??= loaded();
  reader = await loading;
  return reader;
}

function row(face, number) {
  const said = (head) => (face.uncertain.includes(head) ? "uncertain" : `${face[head].replace("_", " ")} ${Math.floor(100 * face[`${head}_probability`] + 0.5)}%`);
  const cells = [number, Math.floor(face.age_years + 0.5), face.age_interval_90.join("-"), said("gender"), said("race")];
  const line = document.createElement("tr");
  for (const cell of cells) line.insertCell().textContent = cell;
  return line;
}

function show(faces) {
  const pen = canvas.getContext("2d"), wide = Math.max(2, canvas.width / 300);
  pen.font = `${Math.max(14, canvas.width / 30)}px sans-serif`;
  faces.forEach((face, place) => {
    const [left, top, right, bottom] = face.box_xyxy;
    pen.strokeStyle = "#000"; pen.lineWidth = 2 * wide; pen.strokeRect(left, top, right - left, bottom - top);
    pen.strokeStyle = "#7fdcff"; pen.lineWidth = wide; pen.strokeRect(left, top, right - left, bottom - top);
    pen.lineWidth = 2 * wide; pen.strokeStyle = "#000"; pen.fillStyle = "#7fdcff";
    pen.strokeText(place + 1, left + wide, top - 2 * wide); pen.fillText(place + 1, left + wide, top - 2 * wide);
  });
  answers.replaceChildren(...faces.map((face, place) => row(face, place + 1)));
  find("demo-table").hidden = faces.length === 0;
  window.facecliDemonstration = { ...window.facecliDemonstration, faces };
}

function draw(picture, width, height) {
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0, width, height);
  canvas.hidden = false;
  return pen.getImageData(0, 0, width, height);
}

async function openPicture(file) {
  const picture = new Image(), address = URL.createObjectURL(file);
  picture.src = address;
  try {
    await new Promise((resolve, reject) => { picture.onload = resolve; picture.onerror = reject; });
  } catch {
    throw new Sentence(`${file.name} is not a picture that this browser can read.`);
  } finally {
    URL.revokeObjectURL(address);
  }
  const pixels = picture.naturalWidth * picture.naturalHeight;
  if (pixels > MOST_PIXELS) {
    throw new Sentence(`${file.name} has ${Math.round(pixels / 1e6)} megapixels; this page takes ${MOST_PIXELS / 1e6} at most. The command line takes 100.`);
  }
  return picture;
}

async function readFile(file) {
  stopCamera();
  tell("Loading the networks (15 MB, once) ...");
  const picture = await openPicture(file);
  await ready();
  const start = performance.now();
  const seen = draw(picture, picture.naturalWidth, picture.naturalHeight);
  const faces = await reader.read(fromImageData(seen), PICTURE_SIDE);
  show(faces);
  const many = faces.length === 1 ? "1 face" : `${faces.length} faces`;
  tell(`${file.name}: ${many}, ${Math.round(performance.now() - start)} ms`);
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  camera.textContent = "Use the camera";
}

async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Sentence("This browser gives pages no camera here: the page has to come from https or from this machine.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
  } catch (error) {
    const said = {
      NotAllowedError: "The camera was refused. Allow it in the browser's address bar, or choose a picture.",
      NotFoundError: "There is no camera here. Choose a picture.",
      NotReadableError: "The camera is in use by another program. Close that, or choose a picture.",
    };
    throw new Sentence(said[error.name] ?? `The camera cannot be used (${error.name}). Choose a picture.`);
  }
}

async function watch() {
  if (stream) { stopCamera(); return; }
  stream = await openCamera();
  camera.textContent = "Stop the camera";
  tell("Loading the networks (15 MB, once) ...");
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  await video.play();
  await ready();
  const times = [];
  while (stream) {
    const seen = draw(video, video.videoWidth, video.videoHeight);
    show(await reader.read(fromImageData(seen), CAMERA_SIDE));
    times.push(performance.now());
    if (times.length > 30) times.shift();
    const rate = times.length > 1 ? (1000 * (times.length - 1)) / (times.at(-1) - times[0]) : 0;
    tell(`${rate.toFixed(0)} frames a second`);
    window.facecliDemonstration = { ...window.facecliDemonstration, frames: (window.facecliDemonstration?.frames ?? 0) + 1, rate };
    await new Promise((resolve) => setTimeout(resolve));
  }
  tell("The camera is off.");
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    stopCamera();
    if (!(error instanceof Sentence)) console.error(error);
    tell(error instanceof Sentence ? error.message : `That did not work: ${error.message ?? error}`, true);
  }
}

find("demo-file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) guarded(() => readFile(file));
});
camera.addEventListener("click", () => guarded(watch));

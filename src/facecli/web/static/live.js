// The live page: frames of the camera go out, boxes come back and are drawn over the newest picture.
import { byId, choices, colour, cover, coverName, detectorName, element, say, save, status, texts } from "./common.js";
import { labelLines, placeLabels } from "./labels.js";
import * as server from "./server.js";

const FPS = 30, IN_FLIGHT = 2, REMEMBERED = 30;
const canvas = byId("picture"), video = byId("video");
let camera = null, socket = null, timer = 0, paused = false, encoding = false;
let usual = new Map(), number = 0, sent = new Map(), answer = null, answered = [], latencies = [];

const anonymized = () => byId("anonymize").value;
const milliseconds = () => Math.round(performance.now()) % 2 ** 32;

async function start() {
  if (camera) return;
  if (!navigator.mediaDevices?.getUserMedia) return status(texts.insecure, true);
  status(texts.starting);
  const wanted = byId("camera").value;
  try {
    camera = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 640 }, height: { ideal: 480 }, ...(wanted ? { deviceId: { exact: wanted } } : {}) }, audio: false,
    });
  } catch (error) {
    const words = { NotAllowedError: texts.refused, SecurityError: texts.refused, NotFoundError: texts.missing,
      OverconstrainedError: texts.missing, NotReadableError: texts.taken, AbortError: texts.taken };
    return status(words[error.name] ?? error.message, true);
  }
  camera.getVideoTracks()[0].addEventListener("ended", () => stop(texts.stopped));
  video.srcObject = camera;
  await video.play();
  enable(true);
  await listCameras();
  connect();
  timer = setInterval(send, 1000 / FPS);
  requestAnimationFrame(draw);
  return undefined;
}

function stop(reason = texts.stopped, bad = false) {
  clearInterval(timer);
  camera?.getTracks().forEach((track) => track.stop());
  camera = video.srcObject = null;
  disconnect();
  paused = false;
  enable(false);
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  byId("figures").textContent = "";
  canvas.dataset.boxes = "[]";
  status(reason, bad);
}

function connect() {
  disconnect();
  const query = new URLSearchParams({ model: byId("model").value, detector: byId("detector").value });
  if (anonymized()) query.set("anonymize", anonymized());
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live?${query}`);
  let why = texts.lost;
  mine.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "problem") why = message.detail;
    else if (message.type === "faces") take(message);
    else if (!paused) status(texts.running);
  });
  mine.addEventListener("close", () => { if (socket === mine) stop(why, true); });
  socket = mine;
}

function disconnect() {
  const old = socket;
  socket = null;
  old?.close();
  sent.forEach((frame) => frame.close());
  sent = new Map();
  answer?.picture?.close();
  answer = null;
  answered = [];
  latencies = [];
  usual = new Map();
}

async function send() {
  if (paused || encoding || socket?.readyState !== WebSocket.OPEN || sent.size >= IN_FLIGHT || !video.videoWidth) return;
  encoding = true;
  const to = socket;
  try {
    const picture = await createImageBitmap(video);
    const scale = Math.min(1, 640 / picture.width);
    const frame = element("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
    frame.getContext("2d").drawImage(picture, 0, 0, frame.width, frame.height);
    const blob = await new Promise((done) => { frame.toBlob(done, "image/jpeg", 0.8); });
    const head = new DataView(new ArrayBuffer(8));
    number = (number + 1) % 2 ** 32;
    head.setUint32(0, number);
    head.setUint32(4, milliseconds());
    if (to !== socket || to.readyState !== WebSocket.OPEN) return picture.close();
    sent.set(number, picture);
    to.send(new Blob([head, blob]));
  } catch (error) {
    console.warn(error);
  } finally {
    encoding = false;
  }
  return undefined;
}

// Those sent before it were replaced by newer ones; nobody answers them.
function take(message) {
  const picture = sent.get(message.frame);
  for (const [frame, old] of sent) {
    if (frame > message.frame) continue;
    sent.delete(frame);
    if (old !== picture) old.close();
  }
  answer?.picture?.close();
  answer = { ...message, picture };
  const now = performance.now();
  answered = [...answered, now].filter((at) => now - at < 2000);
  latencies = [...latencies, (milliseconds() - message.sent_ms + 2 ** 32) % 2 ** 32].slice(-REMEMBERED);
  const middle = [...latencies].sort((one, other) => one - other)[latencies.length >> 1];
  byId("figures").textContent = say("figures", {
    model: byId("model").value, rate: (answered.length / 2).toFixed(0), ms: middle, n: message.faces.length });
}

function draw() {
  if (!camera) return;
  if (!paused) paint();
  requestAnimationFrame(draw);
}

function paint() {
  // Covered heads belong to the frame in which they were found: no other may be shown.
  const picture = anonymized() ? answer?.picture : video;
  if (!picture) return;
  const width = picture.videoWidth ?? picture.width, height = picture.videoHeight ?? picture.height;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const mirrored = byId("mirror").checked;
  context.save();
  if (mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(picture, 0, 0, width, height);
  context.restore();
  if (!answer) return;
  const scale = width / answer.width;
  const turned = ([left, top, right, bottom]) => {
    const [one, other] = mirrored ? [answer.width - right, answer.width - left] : [left, right];
    return [one, top, other, bottom].map((side) => side * scale);
  };
  if (anonymized()) cover(context, answer.faces.map((face) => turned(face.head_xyxy).map(Math.round)), anonymized());
  const shown = answer.faces.filter((face) => !face.rejected);
  const boxes = shown.map((face) => turned(face.box_xyxy));
  shown.forEach((face, at) => box(context, boxes[at], face));
  plates(context, boxes, shown);
  canvas.dataset.boxes = JSON.stringify(boxes.map((box) => box.map(Math.round)));
}

const faceColour = (face) => colour((face.track ?? 1) - 1, face.rejected);

function box(context, [left, top, right, bottom], face) {
  for (const [line, style] of [[5, "#101114"], [3, faceColour(face)]]) {
    context.lineWidth = line;
    context.strokeStyle = style;
    context.strokeRect(left, top, right - left, bottom - top);
  }
}

// Beside the faces, where they stood in the frame before as long as nothing comes under them.
function plates(context, boxes, faces) {
  const size = Math.max(12, canvas.width / 46), pad = size * 0.45, step = size * 1.25;
  context.font = `500 ${size}px system-ui, sans-serif`;
  context.textBaseline = "top";
  const labels = faces.map(labelLines);
  const wide = (line) => line.reduce((sum, { text }) => sum + context.measureText(text).width, 0);
  const sizes = labels.map((lines) => [Math.max(0, ...lines.map(wide)) + 2 * pad, lines.length * step + 2 * pad - 0.25 * size]);
  const places = placeLabels(sizes, boxes, [canvas.width, canvas.height], 4, faces.map((face) => usual.get(face.track)));
  usual = new Map(faces.map((face, at) => [face.track, places[at].number]));
  places.forEach(({ left, top, side }, at) => {
    if (labels[at].length) plate(context, [left, top, ...sizes[at]], { side, lines: labels[at], pad, step, tone: faceColour(faces[at]) });
  });
}

function plate(context, [left, top, width, height], { side, lines, pad, step, tone }) {
  context.fillStyle = "rgb(16 17 20 / .84)";
  context.beginPath();
  context.roundRect(left, top, width, height, 4);
  context.fill();
  context.fillStyle = tone;
  const stripes = { left: [left, top, 3, height], right: [left + width - 3, top, 3, height], top: [left, top, width, 3], bottom: [left, top + height - 3, width, 3] };
  context.fillRect(...stripes[side]);
  lines.forEach((line, row) => {
    let x = left + pad;
    for (const { text, muted, face } of line) {
      context.fillStyle = face ? tone : muted ? "#b8bcc4" : "#fff";
      context.fillText(text, x, top + pad + row * step);
      x += context.measureText(text).width;
    }
  });
}

function pause() {
  if (!camera) return;
  paused = !paused;
  byId("pause").ariaPressed = String(paused);
  socket?.readyState === WebSocket.OPEN && !paused && socket.send(JSON.stringify({ type: "reset" }));
  status(paused ? texts.paused : texts.running);
}

function snapshot() {
  if (camera) canvas.toBlob((blob) => save(blob, `facecli-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.png`));
}

function enable(running) {
  byId("start").disabled = running;
  for (const id of ["stop", "pause", "snapshot"]) byId(id).disabled = !running;
  byId("pause").ariaPressed = "false";
}

async function listCameras() {
  const found = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  const used = camera.getVideoTracks()[0].getSettings().deviceId;
  const names = Object.fromEntries(found.map((device, at) => [device.deviceId, device.label || say("camera_number", { n: at + 1 })]));
  choices(byId("camera"), Object.keys(names), (id) => names[id], used);
}

function settle() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify({ type: "settings", model: byId("model").value, detector: byId("detector").value }));
}

async function begin() {
  byId("start").addEventListener("click", start);
  byId("stop").addEventListener("click", () => stop());
  byId("pause").addEventListener("click", pause);
  byId("snapshot").addEventListener("click", snapshot);
  byId("camera").addEventListener("change", () => { if (camera) { stop(); start(); } });
  byId("model").addEventListener("change", settle);
  byId("detector").addEventListener("change", settle);
  byId("anonymize").addEventListener("change", () => { if (camera) connect(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input[type=text]")) return;
    const act = { p: pause, s: snapshot, m: () => byId("mirror").click() }[event.key];
    act?.();
  });
  // The camera's light goes out when the page is left.
  addEventListener("pagehide", () => { if (camera) stop(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden && camera && !paused) pause(); });
  try {
    const here = await server.models();
    choices(byId("model"), here.models.map((model) => model.name), (name) => name, here.default);
    choices(byId("detector"), here.detectors, detectorName, here.default_detector);
    choices(byId("anonymize"), ["", ...here.anonymize], coverName, "");
    status(texts.stopped);
  } catch (error) {
    status(error.message, true);
  }
}

begin();

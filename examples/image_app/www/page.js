// Shows what the visitor gives, a file or an address, and sends it to app.py as input.given.
const MOST = 10 * 2 ** 20 + 1; // bytes; app.py refuses more than one less, so the rest need not travel
const at = (id) => document.getElementById(id);
let stream = null;

function say(text) {
  at("note").textContent = at("network").value ? text : "No network is installed yet. Run: make app";
}

async function send(given) {
  if (!at("network").value) return;
  at("answer").replaceChildren(); // the guesses there are about another picture
  at("answer").dataset.waits = "";
  await Shiny.initializedPromise;
  Shiny.setInputValue("given", given, { priority: "event" });
}

function show(what) {
  at("frame").dataset.shows = what;
  at("camera").textContent = what === "video" ? "Take the picture" : "Use the camera";
  say("");
  if (what !== "video") {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
  }
}

function showPicture(url) {
  URL.revokeObjectURL(at("picture").src);
  at("picture").src = url;
  show("picture");
}

function giveFile(file) {
  if (!file) return;
  const reader = new FileReader();
  reader.onload = () => send({ file: reader.result.split(",")[1] ?? "" });
  reader.readAsDataURL(file.slice(0, MOST));
  showPicture(URL.createObjectURL(file));
}

async function openCamera() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: 1280 } });
    at("video").srcObject = stream;
    show("video");
  } catch (error) {
    say(`The camera cannot be used: ${error.message}.`);
  }
}

function takePicture() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [at("video").videoWidth, at("video").videoHeight];
  canvas.getContext("2d").drawImage(at("video"), 0, 0);
  canvas.toBlob(giveFile, "image/jpeg", 0.9);
}

for (const input of [at("file"), at("shot")]) {
  input.addEventListener("change", () => {
    giveFile(input.files[0]);
    input.value = ""; // so that the same file can be given again
  });
}
at("camera").addEventListener("click", () => {
  if (stream) takePicture();
  else if (navigator.mediaDevices) openCamera();
  else at("shot").click(); // without https a page gets no camera, but a phone's file dialog has one
});
at("address").addEventListener("submit", (event) => {
  event.preventDefault();
  const address = at("url").value.trim();
  send({ address });
  showPicture(address.includes("://") ? address : `https://${address}`);
});
document.addEventListener("paste", (event) => giveFile(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  giveFile(event.dataTransfer.files[0]);
});
at("picture").addEventListener("error", () => show("nothing"));
at("picture").addEventListener("load", ({ target: { naturalWidth: width, naturalHeight: height } }) => {
  // The frame is 4 : 3, and the picture as large as fits; the square is given as a part of the frame's width.
  const side = Math.min(width, height) * Math.min(4 / width, 3 / height) / 4;
  at("square").style.setProperty("--side", `${100 * side}%`);
});
at("frame").addEventListener("click", () => {
  if (!stream) at("file").click();
});
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", async () => giveFile(await (await fetch(button.dataset.sample)).blob()));
}
$(document).on("shiny:value", (event) => {
  if (event.name === "answer") delete at("answer").dataset.waits;
});
document.documentElement.dataset.bsTheme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
at("answer").ariaLive = "polite";
say("");

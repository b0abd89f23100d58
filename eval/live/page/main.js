// The page: shows what the server says, and sends what a person does. All text is set as text, never as markup.

import { Cameras } from "./cameras.js";
import { Connection } from "./connection.js";
import { Drive } from "./drive.js";
import { SceneView } from "./scene.js";

const $ = (id) => document.getElementById(id);
const NOTES = 6;
const state = { status: null, catalog: null, scene: null, controls: false };
const views = [];
const cameras = new Cameras($("cameras"));

// The token is a secret: it stays in a cookie, not in the address.
if (location.search) history.replaceState(null, "", location.pathname);

const connection = new Connection({
  open() { $("connection").hidden = true; },
  lost(seconds, reason) {
    $("connection").hidden = false;
    $("connection").textContent = reason || `The connection dropped; the robot waits. Trying again in ${seconds} s.`;
  },
  text(message) { handlers[message.is]?.(message); },
  async picture(header, images) {
    view(header.scene).draw(header, images[0]);
    if (header.scene === 0) await cameras.draw(header.cameras, images.slice(1));
  },
  file(name, bytes) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    note(`Saved ${name}.`);
  },
});
const send = (command) => connection.send(command);
const drive = new Drive(send, () => state.status?.scenes.some((scene) => scene.who === "person"));

function view(number) {
  while (views.length <= number) {
    const added = new SceneView(views.length, send, () => document.querySelector("[name=tool]:checked").value);
    added.showsFan = $("fan").checked;
    views.push(added);
    $("scenes").append(added.root);
  }
  return views[number];
}

const handlers = {
  catalog(catalog) {
    state.catalog = catalog;
    options($("task"), catalog.tasks.map((task) => [task.name, task.name.replaceAll("_", " ")]));
    options($("who"), catalog.who.map((who) => [who.name, describe(who)]));
    options($("beside"), [["", "nothing"], ...catalog.who.map((who) => [who.name, who.name])]);
    $("perturbations").replaceChildren(...catalog.perturbations.map(perturbation));
  },
  scene(scene) {
    state.scene = scene;
    const sentences = [...new Set([...scene.here, ...scene.grammar])];
    options($("sentences"), sentences.map((sentence) => [sentence, ""]));
    options($("body"), scene.bodies.map((body) => [body, body.replaceAll("_", " ")]));
    $("arm").parentElement.hidden = scene.arms < 2;
    $("sentence").placeholder = scene.here[0] ?? "";
    const fits = state.catalog?.robots.filter((robot) => robot.arms === scene.arms) ?? [];
    options($("robot"), [["", "the task's own"], ...fits.map((robot) => [robot.name, robot.name])]);
    if (state.status) handlers.status(state.status);
  },
  status(status) {
    const before = state.status;
    state.status = status;
    $("play").textContent = status.playing ? "Pause" : "Play";
    for (const name of ["task", "robot", "seed", "quality", "sampling"]) set(name, status[name]);
    for (const name of ["execute", "delay", "ensemble"]) set(name, status.execution[name] ?? "");
    set("speed", status.speed);
    set("who", status.scenes[0].who);
    set("beside", status.scenes[1]?.who ?? "");
    for (const name of ["wait", "guided"]) $(name).checked = status.execution[name];
    $("heat").checked = status.heat;
    for (const select of $("perturbations").querySelectorAll("select")) {
      if (select !== document.activeElement) select.value = status.perturb[select.name] ?? 0;
    }
    while (views.length > status.scenes.length) views.pop().root.remove();
    status.scenes.forEach((scene, i) => view(i).status(scene));
    const unknown = [...new Set(status.scenes.flatMap((scene) => scene.unknown ?? []))];
    $("words").textContent = unknown.length
      ? `Not a word of any training sentence: ${unknown.join(", ")}. To the policy all such words are one.` : "";
    $("diverged").hidden = status.diverged === null;
    $("diverged").textContent = `The two have gone different ways since ${status.diverged} s.`;
    $("command").textContent = status.command.text;
    $("left-out").textContent = status.command.left_out;
    recording(status.recording);
    const who = state.catalog?.who.find((each) => each.name === status.scenes[0].who);
    $("settings").textContent = who?.sampling?.length ? `(${who.sampling.join(", ")})` : "";
    status.scenes.forEach((scene, i) => {
      const was = before?.scenes[i];
      if (was && scene.ended && !was.ended) $("spoken").textContent = `${scene.who}: ${scene.ended} after ${scene.seconds.toFixed(1)} seconds.`;
    });
    const isDriven = (each) => each?.scenes.some((scene) => scene.who === "person") ?? false;
    $("drive").hidden = !isDriven(status);
    if (isDriven(status) && !isDriven(before)) $("drive").open = true;
    if (before?.sentence !== status.sentence) set("sentence", status.sentence ?? "");
    enable();
  },
  role(role) {
    state.controls = role.controls;
    const others = role.tabs - 1;
    $("role").textContent = (role.controls ? "You control the robot" : role.free ? "Nobody controls the robot" : "You watch; another tab controls")
      + (others ? `; ${others} other ${others === 1 ? "tab is" : "tabs are"} open.` : ".");
    $("claim").hidden = role.controls;
    enable();
  },
  note(message) { note(message.text, message.error); },
  paths0(paths) { view(0).paths(paths.lines); },
  paths1(paths) { if (views[1]) views[1].paths(paths.lines); },
  heat0(heat) { cameras.maps = heat.maps; },
};

function recording(told) {
  $("recording").hidden = !told;
  if (!told) return;
  const last = told.last;
  $("record").textContent = told.on ? "Stop recording" : "Record";
  $("record").setAttribute("aria-pressed", String(told.on));
  $("discard").hidden = $("mark").hidden = !last;
  $("mark").textContent = last?.success ? "It did not do what was asked" : "It did what was asked";
  let text = "";
  if (told.on) {
    text = `Recording into ${told.folder}: ${told.episodes} ${told.episodes === 1 ? "episode" : "episodes"}.`;
    if (last) {
      const steps = Object.entries(last.frames).map(([who, count]) => `${count} by ${who}`).join(", ");
      text += ` Saved last: “${last.instruction}”, ${last.success ? "a success" : "not a success"}, ${last.seconds} s, steps ${steps}.`;
    }
  }
  if ($("recorded").textContent !== text) $("recorded").textContent = text; // it is read aloud
}

function enable() {
  for (const each of document.querySelectorAll("main button, main select, main input")) {
    if (!["fan", "copy"].includes(each.id)) each.disabled = !state.controls;
  }
}

function describe(who) {
  if (who.name === "expert") return "expert (scripted)";
  if (who.name === "person") return "person (you)";
  const size = who.parameters === null ? "" : `${(who.parameters / 1e6).toFixed(1)} M, `;
  return `${who.name} (${size}chunks of ${who.chunk})`;
}

function options(select, pairs) {
  const chosen = select.value;
  select.replaceChildren(...pairs.map(([value, label]) => {
    const option = document.createElement("option");
    option.value = value;
    if (label) option.textContent = label;
    return option;
  }));
  if (pairs.some(([value]) => value === chosen)) select.value = chosen;
}

function set(id, value) {
  const input = $(id);
  if (input !== document.activeElement && input.value !== String(value)) input.value = value;
}

function perturbation({ name, about }) {
  const label = document.createElement("label");
  const text = document.createElement("span");
  text.textContent = name.replaceAll("_", " ");
  label.title = about;
  const select = document.createElement("select");
  select.name = name;
  options(select, [[0, "off"], [1, "1"], [2, "2"], [3, "3"], [4, "4"], [5, "5"]]);
  select.addEventListener("change", () => {
    const all = [...$("perturbations").querySelectorAll("select")];
    send({ do: "perturb", levels: Object.fromEntries(all.map((each) => [each.name, Number(each.value)])) });
  });
  label.append(text, select);
  return label;
}

function note(text, isError = false) {
  const item = document.createElement("li");
  item.textContent = text;
  if (isError) item.className = "error";
  $("notes").prepend(item);
  while ($("notes").children.length > NOTES) $("notes").lastElementChild.remove();
}

const on = (id, kind, action) => $(id).addEventListener(kind, (event) => { event.preventDefault(); action(event); });
const whole = (id) => Math.max(0, Math.round(Number($(id).value) || 0));
const play = () => send({ do: state.status?.playing ? "pause" : "play" });

on("say", "submit", () => {
  send({ do: "say", text: $("sentence").value });
  send({ do: "play" });
});
on("play", "click", play);
on("step", "click", () => send({ do: "step" }));
on("reset", "click", () => send({ do: "reset" }));
on("next", "click", () => send({ do: "reset", seed: state.status.seed + 1 }));
on("speed", "change", () => send({ do: "speed", value: Number($("speed").value) }));
on("who", "change", () => send({ do: "who", name: $("who").value, scene: 0 }));
on("beside", "change", () => send({ do: "beside", name: $("beside").value }));
on("task", "change", () => send({ do: "scenery", task: $("task").value }));
on("robot", "change", () => send({ do: "scenery", task: $("task").value, robot: $("robot").value }));
on("seed", "change", () => send({ do: "reset", seed: whole("seed") }));
on("quality", "change", () => send({ do: "picture", quality: $("quality").value }));
$("heat").addEventListener("change", () => send({ do: "show", heat: $("heat").checked }));
$("fan").addEventListener("change", () => views.forEach((each) => { each.showsFan = $("fan").checked; each.overlay(); }));
on("drop", "click", () => send({ do: "drop" }));
on("clip", "click", () => send({ do: "clip" }));
on("record", "click", () => send({ do: "record", on: !state.status.recording.on }));
on("discard", "click", () => send({ do: "discard" }));
on("mark", "click", () => send({ do: "mark", success: !state.status.recording.last.success }));
on("claim", "click", () => send({ do: "claim" }));
on("execution", "submit", () => {
  const ensemble = $("ensemble").value === "" ? null : Number($("ensemble").value);
  const execution = { execute: Math.max(1, whole("execute")), delay: whole("delay"), wait: $("wait").checked, guided: $("guided").checked, ensemble };
  send({ do: "execute", ...execution });
  if ($("sampling").value !== state.status.sampling) send({ do: "sampling", text: $("sampling").value });
});
on("copy", "click", async () => {
  try { await navigator.clipboard.writeText($("command").textContent); note("Copied."); } catch {
    getSelection().selectAllChildren($("command"));
    note("Select and copy it by hand: this browser does not let the page do it.", true);
  }
});
for (const button of document.querySelectorAll("[data-kick]")) {
  button.addEventListener("click", () => send({ do: "nudge", body: $("body").value, direction: button.dataset.kick }));
}

const SHORTCUTS = { p: play, ".": () => $("step").click(), r: () => $("reset").click(), n: () => $("next").click(), c: () => $("record").click(),
  u: () => { if (!$("discard").hidden) $("discard").click(); } };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]):not([type=radio]), select, textarea")) return;
  if (event.key === " " && event.target.matches("button, summary, input")) return;
  if (drive.key(event, true)) event.preventDefault();
  else if (SHORTCUTS[event.key] && !event.repeat) SHORTCUTS[event.key]();
});
document.addEventListener("keyup", (event) => drive.key(event, false));

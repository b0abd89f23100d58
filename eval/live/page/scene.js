// One scene on the page: its picture, what is drawn over it, and the pointer in it.

const NS = "http://www.w3.org/2000/svg";
const OUTCOMES = { success: "Done!", failure: "Failed", timeout: "Out of time" };

export class SceneView {
  constructor(number, send, tool) {
    this.number = number;
    this.send = send;
    this.tool = tool;
    this.root = document.getElementById("scene").content.firstElementChild.cloneNode(true);
    this.canvas = this.root.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.svg = this.root.querySelector("svg");
    this.lines = [];
    this.showsFan = true;
    this.held = false;
    this.moved = null;
    this.canvas.setAttribute("aria-label", `Picture of scene ${number + 1}`);
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.canvas.addEventListener(kind, () => this.up());
    }
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (value) => Math.min(1, Math.max(0, value));
    return { x: share((event.clientX - box.left) / box.width), y: share((event.clientY - box.top) / box.height) };
  }

  down(event) {
    if (event.button) return;
    const what = this.tool();
    this.send({ do: what, scene: this.number, ...this.at(event) });
    if (what === "pull") {
      this.canvas.setPointerCapture(event.pointerId);
      this.held = true;
    }
  }

  move(event) {
    if (!this.held) return;
    const first = this.moved === null;
    this.moved = this.at(event);
    if (first) requestAnimationFrame(() => {
      if (this.held) this.send({ do: "move", scene: this.number, ...this.moved });
      this.moved = null;
    });
  }

  up() {
    if (!this.held) return;
    this.held = false;
    this.send({ do: "release", scene: this.number });
  }

  async draw(header, blob) {
    const image = await createImageBitmap(blob);
    if (this.canvas.width !== image.width) this.canvas.width = this.canvas.height = image.width;
    this.context.drawImage(image, 0, 0);
    image.close();
    this.spring = header.spring;
    this.overlay();
  }

  paths(lines) {
    this.lines = lines;
    this.overlay();
  }

  overlay() {
    const parts = [];
    if (this.showsFan) {
      this.lines.slice().reverse().forEach((points, i, all) => {
        const line = document.createElementNS(NS, "polyline");
        line.setAttribute("points", points.map(([x, y]) => `${x},${y}`).join(" "));
        if (i < all.length - 1) line.classList.add("other");
        parts.push(line);
      });
    }
    if (this.spring) {
      const line = document.createElementNS(NS, "line");
      [["x1", 0, 0], ["y1", 0, 1], ["x2", 1, 0], ["y2", 1, 1]].forEach(([name, end, axis]) => line.setAttribute(name, this.spring[end][axis]));
      parts.push(line);
    }
    this.svg.replaceChildren(...parts);
  }

  status(scene) {
    this.root.querySelector(".name").textContent = `${scene.who}: “${scene.instruction}”`;
    const ended = this.root.querySelector(".ended");
    ended.textContent = OUTCOMES[scene.ended] ?? "";
    ended.className = `ended ${scene.ended}`;
    this.root.querySelector("meter").value = scene.judged ? scene.progress : 0;
    const facts = [`${scene.seconds.toFixed(1)} s`];
    facts.push(scene.judged ? `${scene.stage.replaceAll("_", " ")}, ${Math.round(100 * scene.progress)} %`
      : "asks for nothing in this scene: success is not judged");
    if (scene.chunk_ms) facts.push(`${scene.chunk_ms[0]} ms per chunk (p95 ${scene.chunk_ms[1]}), could hold ${Math.round(scene.holds_hz)} of ${scene.control_hz} Hz`);
    this.root.querySelector(".facts").textContent = facts.join(" · ");
    if (!["expert", "person"].includes(scene.who)) return;
    this.lines = [];
    this.overlay();
  }
}

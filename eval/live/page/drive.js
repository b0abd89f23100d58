// Keyboard, pad and gamepad: how a person moves the arm.

const KEYS = { w: [0, 1], s: [0, -1], a: [1, 1], d: [1, -1], e: [2, 1], q: [2, -1], z: [3, 1], x: [3, -1] };
const PAD = [[0, 1], [0, -1], [1, 1], [1, -1], [2, 1], [2, -1], [3, 1], [3, -1]];
const DEAD = 0.15; // of a gamepad's sticks

export class Drive {
  constructor(send, isDriving) {
    this.send = send;
    this.isDriving = isDriving;
    this.pressed = new Map();
    this.gripper = 1;
    this.last = "";
    this.grip = document.getElementById("grip");
    this.grip.addEventListener("click", () => this.toggle());
    for (const button of document.querySelectorAll("[data-move]")) {
      const way = PAD[Number(button.dataset.move)];
      const release = () => this.set(button, null);
      button.addEventListener("pointerdown", (event) => { button.setPointerCapture(event.pointerId); this.set(button, way); });
      for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(kind, release);
      button.addEventListener("keydown", (event) => { if (event.key === "Enter") this.set(button, way); });
      button.addEventListener("keyup", release);
      button.addEventListener("blur", release);
    }
    window.addEventListener("blur", () => { this.pressed.clear(); this.tell(); });
    window.addEventListener("gamepadconnected", () => this.poll());
  }

  key(event, down) {
    const way = KEYS[event.key.toLowerCase()];
    if (!this.isDriving()) return false;
    if (event.key === " ") { if (down && !event.repeat) this.toggle(); return true; }
    if (!way) return false;
    if (!event.repeat) this.set(event.key.toLowerCase(), down ? way : null);
    return true;
  }

  set(what, way) {
    if (way) this.pressed.set(what, way); else this.pressed.delete(what);
    this.tell();
  }

  toggle() {
    this.gripper = -this.gripper;
    this.grip.textContent = this.gripper > 0 ? "Close" : "Open";
    this.grip.setAttribute("aria-pressed", String(this.gripper < 0));
    this.tell();
  }

  tell(sticks = [0, 0, 0, 0]) {
    if (!this.isDriving()) return;
    const velocity = sticks.slice();
    for (const [axis, sign] of this.pressed.values()) velocity[axis] += sign;
    const bounded = velocity.map((x) => Math.max(-1, Math.min(1, x)));
    const command = { do: "steer", velocity: [...bounded, this.gripper], arm: Number(document.getElementById("arm").value) };
    const text = JSON.stringify(command);
    if (text !== this.last) this.send(command);
    this.last = text;
  }

  poll() {
    const pad = navigator.getGamepads().find((each) => each);
    if (!pad) { this.tell(); return; }
    const axis = (i) => (Math.abs(pad.axes[i] ?? 0) > DEAD ? pad.axes[i] : 0);
    if (pad.buttons[0]?.pressed && !this.wasPressed) this.toggle();
    this.wasPressed = pad.buttons[0]?.pressed;
    if (!this.pressed.size) this.tell([-axis(1), -axis(0), -axis(3), -axis(2)]);
    requestAnimationFrame(() => this.poll());
  }
}

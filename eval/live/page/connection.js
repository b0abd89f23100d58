// The websocket to the server, which is opened again whenever it drops.

const WAITS = [0.5, 1, 2, 4, 8]; // [s]

export class Connection {
  // handlers: {open(), lost(seconds), text(message), picture(header, images), file(name, bytes)}
  constructor(handlers) {
    this.handlers = handlers;
    this.losses = 0;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/socket`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => { this.losses = 0; this.handlers.open(); };
    this.socket.onmessage = (event) => this.take(event.data);
    this.socket.onclose = (event) => {
      const seconds = WAITS[Math.min(this.losses++, WAITS.length - 1)];
      this.handlers.lost(seconds, event.reason);
      setTimeout(() => this.open(), 1000 * seconds);
    };
  }

  send(command) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  take(data) {
    if (typeof data === "string") { this.handlers.text(JSON.parse(data)); return; }
    const view = new DataView(data);
    const number = Number(view.getBigUint64(0));
    const length = view.getUint32(8);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 12, length)));
    let at = 12 + length;
    if (number === 0) { this.handlers.file(header.file, new Uint8Array(data, at)); return; }
    const images = header.sizes.map((size) => {
      const blob = new Blob([new Uint8Array(data, at, size)], { type: "image/jpeg" });
      at += size;
      return blob;
    });
    // Acknowledged when it is on the screen: a slow tab gets fewer pictures, and none late.
    this.handlers.picture(header, images).finally(() => this.send({ do: "ack", number }));
  }
}

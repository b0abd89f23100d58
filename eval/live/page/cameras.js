// What the policy sees, and where it looks.

export class Cameras {
  constructor(root) {
    this.root = root;
    this.maps = [];
    this.names = "";
  }

  async draw(names, blobs) {
    if (names.join() !== this.names) {
      this.names = names.join();
      this.canvases = names.map((name) => {
        const figure = document.createElement("figure");
        const caption = document.createElement("figcaption");
        caption.textContent = name;
        const canvas = document.createElement("canvas");
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `Camera ${name}`);
        figure.append(canvas, caption);
        return figure;
      });
      this.root.replaceChildren(...this.canvases);
    }
    const images = await Promise.all(blobs.map((blob) => createImageBitmap(blob)));
    images.forEach((image, i) => {
      const canvas = this.canvases[i]?.firstElementChild;
      if (!canvas) return;
      if (canvas.width !== image.width) canvas.width = canvas.height = image.width;
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      image.close();
      if (this.maps[i]) this.heat(context, canvas.width, this.maps[i]);
    });
  }

  heat(context, size, map) {
    const cell = size / map.length;
    map.forEach((row, y) => row.forEach((value, x) => {
      if (value < 16) return;
      context.fillStyle = `rgba(255, 60, 0, ${0.75 * value / 255})`;
      context.fillRect(x * cell, y * cell, cell, cell);
    }));
  }
}

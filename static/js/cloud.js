// Points by the thousand on a canvas behind Plotly's plot, on its axes: SVG would take seconds for them. A point is
// {x, y, colour, ring, at}: place in the plot's units, colours, and its number among all results.
const REACH_PX = 9;
const RADIUS = 3;

export function cloud(canvas, plot) {
  let points = [];
  let spots = [];

  function draw() {
    const layout = plot._fullLayout;
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    const dense = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, width, height);
    spots = [];
    if (!layout?.xaxis || !points.length) return;
    const { xaxis, yaxis } = layout;
    pen.save();
    pen.beginPath();
    pen.rect(xaxis._offset, yaxis._offset, xaxis._length, yaxis._length);
    pen.clip();
    const byColour = new Map();
    for (const point of points) {
      const [x, y] = [xaxis._offset + xaxis.d2p(point.x), yaxis._offset + yaxis.d2p(point.y)];
      if (!(x >= xaxis._offset - RADIUS && x <= xaxis._offset + xaxis._length + RADIUS)) continue;
      spots.push({ x, y, at: point.at });
      const name = `${point.colour} ${point.ring ?? ""}`;
      if (!byColour.has(name)) byColour.set(name, { point, path: new Path2D() });
      const { path } = byColour.get(name);
      path.moveTo(x + RADIUS, y);
      path.arc(x, y, RADIUS, 0, 2 * Math.PI);
    }
    for (const { point, path } of byColour.values()) {
      pen.globalAlpha = point.ring ? 0.85 : 0.45;
      pen.fillStyle = point.colour;
      pen.fill(path);
      if (!point.ring) continue;
      pen.lineWidth = 1.5;
      pen.strokeStyle = point.ring;
      pen.stroke(path);
    }
    pen.restore();
  }

  return {
    show(fresh) {
      points = fresh;
      draw();
    },
    draw,
    // The number of the result under the pointer, if there is one within reach.
    under({ clientX, clientY }) {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [clientX - box.left, clientY - box.top];
      let [best, near] = [null, REACH_PX ** 2];
      for (const spot of spots) {
        const far = (spot.x - x) ** 2 + (spot.y - y) ** 2;
        if (far < near) [best, near] = [spot, far];
      }
      return best;
    },
  };
}

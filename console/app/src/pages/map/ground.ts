// The ground of the map: one canvas under the marks, drawn anew for each view. As layers of Leaflet's own, each of the world's
// points would be an object that every step of the zoom makes again.
import L from 'leaflet';
import { trace, type Ring } from './outline';

interface Colors { land: string; line: string }

// What a renderer of Leaflet is inside: it keeps the canvas in its place while the map moves.
interface Inside { _map: L.Map & { _animatingZoom?: boolean }; _container: HTMLCanvasElement; _bounds?: L.Bounds }
const update = (L.Renderer.prototype as unknown as { _update: () => void })._update;

export class Ground extends L.Renderer {
  #levels: { from: number; rings: Ring[] }[] = []; // the finest first
  #colors: Colors;

  constructor(colors: Colors) {
    super({ padding: 0.3 });
    this.#colors = colors;
  }

  // show has rings drawn from a zoom on, in the place of less detailed ones.
  show(rings: Ring[], from: number) {
    this.#levels = [...this.#levels, { from, rings }].sort((a, b) => b.from - a.from);
    this._update();
  }

  _initContainer() { (this as unknown as Inside)._container = document.createElement('canvas'); }
  _destroyContainer() { (this as unknown as Inside)._container.remove(); }
  _updatePaths() {}

  _update() {
    const in_ = this as unknown as Inside;
    if (!in_._map || (in_._map._animatingZoom && in_._bounds)) return;
    update.call(this);
    const { min, max } = in_._bounds as L.Bounds & { min: L.Point; max: L.Point };
    const canvas = in_._container;
    const [width, height] = [max.x - min.x, max.y - min.y];
    const sharp = window.devicePixelRatio > 1 ? 2 : 1;
    L.DomUtil.setPosition(canvas, min);
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext('2d');
    if (!pen) return;
    pen.scale(sharp, sharp);
    const origin = in_._map.getPixelOrigin();
    const zoom = in_._map.getZoom();
    const rings = this.#levels.find((l) => l.from <= zoom)?.rings ?? [];
    pen.beginPath();
    trace(pen, rings, 256 * 2 ** zoom, origin.x + min.x, origin.y + min.y, width, height);
    pen.fillStyle = this.#colors.land;
    pen.fill();
    pen.strokeStyle = this.#colors.line;
    pen.lineWidth = 0.8;
    pen.lineJoin = 'round';
    pen.stroke();
  }
}

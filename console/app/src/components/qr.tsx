import qrcode from 'qrcode-generator';

// QR draws a text as a QR code: dark on light whatever the colours of the page, as scanners expect it.
export function QR({ text, size = 176 }: { text: string; size?: number }) {
  const code = qrcode(0, 'M');
  code.addData(text);
  code.make();
  const n = code.getModuleCount();
  let d = '';
  for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) if (code.isDark(y, x)) d += `M${x},${y}h1v1h-1z`;
  return (
    <svg viewBox={`-4 -4 ${n + 8} ${n + 8}`} width={size} height={size} shapeRendering="crispEdges" role="img" aria-label={`QR code of ${text}`}>
      <rect x={-4} y={-4} width={n + 8} height={n + 8} fill="#fff" /><path d={d} fill="#000" />
    </svg>
  );
}

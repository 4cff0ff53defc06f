// How numbers, sizes and times are written, the same everywhere.

const numbers = new Intl.NumberFormat('en');
export const count = (n: number) => numbers.format(n);

const compactNumbers = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
export const compact = (n: number) => (Math.abs(n) < 10_000 ? numbers.format(Math.round(n * 10) / 10) : compactNumbers.format(n));

// value writes a measured number: enough digits to tell, no more.
export function value(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return '–';
  const size = Math.abs(n);
  if (size !== 0 && (size < 0.001 || size >= 1e9)) return n.toExponential(2);
  return new Intl.NumberFormat('en', { maximumFractionDigits: size < 1 ? 4 : size < 1000 ? 2 : 1 }).format(n);
}

export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (Math.abs(n) >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function duration(ms: number): string {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60 ? `${s % 60} s` : ''}`.trim();
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${plural(Math.floor(s / 86400), 'day')} ${Math.floor((s % 86400) / 3600)} h`;
}

const pad = (n: number, width = 2) => String(n).padStart(width, '0');

// absolute is local time to the second, in the order in which it sorts.
export function absolute(t: Date | string | number): string {
  const d = new Date(t);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

// clock is the time of day, with milliseconds: for streams of things of now.
export function clock(t: Date | string | number): string {
  const d = new Date(t);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}`;
}

export function relative(t: Date | string | number, now = Date.now()): string {
  const s = Math.round((now - new Date(t).getTime()) / 1000);
  const ago = (n: number, unit: string) => (s >= 0 ? `${n} ${unit} ago` : `in ${n} ${unit}`);
  const a = Math.abs(s);
  if (a < 5) return 'just now';
  if (a < 60) return ago(a, 's');
  if (a < 3600) return ago(Math.round(a / 60), 'min');
  if (a < 86400) return ago(Math.round(a / 3600), 'h');
  if (a < 86400 * 45) return ago(Math.round(a / 86400), a < 86400 * 1.5 ? 'day' : 'days');
  if (a < 86400 * 365) return ago(Math.round(a / 86400 / 30), a < 86400 * 45 ? 'month' : 'months');
  return ago(Math.round(a / 86400 / 365), a < 86400 * 547 ? 'year' : 'years');
}

// shellQuote makes text one word of a POSIX shell, whatever is in it.
export const shellQuote = (s: string) => (/^[A-Za-z0-9_./:@%+=,-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`);

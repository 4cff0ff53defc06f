import { SegmentedControl } from '@mantine/core';
import { text } from '../lib/mqtt';
import { Code } from './code';

export type PayloadForm = 'text' | 'json' | 'hex';

const most = 64 << 10; // bytes that are drawn

const hex = (n: number, width = 2) => n.toString(16).padStart(width, '0');

// hexDump writes bytes as hexdump -C does.
export function hexDump(b: Uint8Array): string {
  const lines: string[] = [];
  for (let i = 0; i < b.length; i += 16) {
    const part = b.subarray(i, i + 16);
    const codes = Array.from({ length: 16 }, (_, n) => (n < part.length ? hex(part[n]) : '  '));
    lines.push(`${hex(i, 6)}  ${codes.slice(0, 8).join(' ')}  ${codes.slice(8).join(' ')}  ${[...part].map((c) => (c >= 32 && c < 127 ? String.fromCharCode(c) : '.')).join('')}`);
  }
  return lines.join('\n');
}

// preview is a payload in one line.
export function preview(b: Uint8Array): string {
  const s = text(b.subarray(0, 400));
  return s === null ? [...b.subarray(0, 48)].map((c) => hex(c)).join(' ') : s.replace(/\s+/g, ' ');
}

const asJSON = (s: string): string | null => { try { return JSON.stringify(JSON.parse(s), null, 2); } catch { return null; } };

// formsOf are the ways in which a payload can be shown, the best first.
export function formsOf(b: Uint8Array): PayloadForm[] {
  const s = text(b);
  if (s === null) return ['hex'];
  return asJSON(s) === null ? ['text', 'hex'] : ['json', 'text', 'hex'];
}

// Payload shows a payload as JSON, text or bytes.
export function Payload({ payload, form, onForm }: { payload: Uint8Array; form: PayloadForm; onForm: (f: PayloadForm) => void }) {
  const forms = formsOf(payload);
  const f = forms.includes(form) ? form : forms[0];
  const part = payload.subarray(0, most);
  const s = text(payload) ?? '';
  const shown = f === 'hex' ? hexDump(part) : f === 'json' ? asJSON(s) ?? s : s;
  return (
    <div>
      <SegmentedControl size="xs" mb={8} aria-label="Show the payload as" value={f} onChange={(v) => onForm(v as PayloadForm)} data={(['json', 'text', 'hex'] as const).map((v) => ({ value: v, label: { json: 'JSON', text: 'Text', hex: 'Hex' }[v], disabled: !forms.includes(v) }))} />
      {payload.length === 0 ? <div className="code"><pre>(empty)</pre></div> : <Code text={shown.slice(0, most * 4)} />}
    </div>
  );
}

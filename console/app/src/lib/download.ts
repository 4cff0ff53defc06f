// save hands a file to the person.
export function save(name: string, parts: BlobPart[], type: string) {
  const a = document.createElement('a');
  a.href = URL.createObjectURL(new Blob(parts, { type }));
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}

// csv writes rows as RFC 4180 has it. A text that a spreadsheet would take for a formula gets an apostrophe.
export function csv(rows: (string | number | boolean | null | undefined)[][]): string {
  const cell = (v: (typeof rows)[0][0]) => {
    let s = v === null || v === undefined ? '' : String(v);
    if (typeof v === 'string' && /^[=+\-@\t\r]/.test(s)) s = `'${s}`;
    return /[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s;
  };
  return rows.map((r) => r.map(cell).join(',')).join('\r\n') + '\r\n';
}

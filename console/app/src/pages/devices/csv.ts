// Reading a CSV file in the browser: enough of it to choose what its columns mean, and to send it in the form the server takes.

export type Delimiter = ',' | ';' | '\t';

// delimiterOf guesses from the first line: spreadsheets of many countries part cells with semicolons.
export function delimiterOf(text: string): Delimiter {
  const line = text.slice(0, text.search(/[\r\n]|$/)).replace(/"[^"]*"/g, '');
  const count = (d: string) => line.split(d).length;
  return ([',', ';', '\t'] as const).reduce((best, d) => (count(d) > count(best) ? d : best));
}

// parse reads rows of cells; at most most rows. It is lenient: the server says what is wrong with a file.
export function parse(text: string, delimiter: Delimiter, most = Infinity): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const body = text.replace(/^\ufeff/, '');
  const endRow = () => { row.push(cell); cell = ''; if (row.length > 1 || row[0] !== '') rows.push(row); row = []; };
  for (let i = 0; i < body.length && rows.length < most; i++) {
    const c = body[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (body[i + 1] === '"') { cell += '"'; i++; } else quoted = false;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === delimiter) { row.push(cell); cell = ''; } else if (c === '\n') endRow();
    else if (c !== '\r') cell += c;
  }
  if ((cell !== '' || row.length > 0) && rows.length < most) endRow();
  return rows;
}

const quote = (s: string) => (/[",\r\n]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s);

// rewrite gives the file the server's names of columns, and commas. A column that is left out gets a name of ours, which the
// returned map tells the server to skip; so no name in a file can collide with the form of that parameter.
export function rewrite(text: string, delimiter: Delimiter, fields: string[]): { body: string; map: string } {
  const header = fields.map((f, i) => f || `column${i + 1}`);
  const map = fields.flatMap((f, i) => (f ? [] : [`column${i + 1}:`])).join(',');
  const first = header.map(quote).join(',');
  if (delimiter === ',') return { body: `${first}\n${text.slice(endOfFirstRow(text))}`, map };
  // The first line's place is kept, so that rows have the numbers that an editor shows.
  const rows = parse(text, delimiter).slice(1).map((r) => header.map((_, i) => quote(r[i] ?? '')).join(','));
  return { body: `${[first, ...rows].join('\n')}\n`, map };
}

function endOfFirstRow(text: string): number {
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    if (text[i] === '\n' && !quoted) return i + 1;
  }
  return text.length;
}

const plain = (s: string) => s.toLowerCase().normalize('NFKD').replace(/[^\p{L}\p{N}]/gu, '');

// Names that people give the columns of such files.
const known: Record<string, string[]> = {
  serialNumber: ['serial', 'serialno', 'serialnumber', 'sn', 'serialnr', 'seriennummer', 'deviceserial', 'imei', 'mac', 'macaddress', 'deviceid', 'hardwareid'],
  name: ['name', 'devicename', 'label', 'title', 'displayname', 'bezeichnung'],
  template: ['template', 'devicetemplate', 'type', 'devicetype', 'model', 'kind'],
  organization: ['organization', 'organisation', 'group', 'site', 'customer', 'path'],
  organizationId: ['organizationid', 'groupid'],
  deviceTemplateId: ['devicetemplateid', 'templateid'],
  firmwareVersion: ['firmware', 'firmwareversion', 'fw', 'fwversion', 'softwareversion'],
  deviceVersion: ['deviceversion', 'hardwareversion', 'hw', 'revision', 'version'],
  latitude: ['latitude', 'lat'],
  longitude: ['longitude', 'lon', 'lng', 'long'],
  location: ['location', 'place', 'address', 'city', 'standort'],
  tags: ['tags', 'labels', 'tag'],
  certificate: ['certificate', 'cert', 'x509', 'pem', 'devicecertificate', 'clientcertificate', 'zertifikat'],
  purchaseDate: ['purchasedate', 'purchased', 'bought', 'dateofpurchase'],
};

// guess proposes a field for each column; a field goes to one column only, and an exact name wins over a known other one.
export function guess(columns: string[], fields: string[]): string[] {
  const found = columns.map(() => '');
  const free = new Set(fields);
  const take = (of: (column: string) => string | undefined) => columns.forEach((c, i) => {
    const f = found[i] ? undefined : of(plain(c));
    if (f && free.has(f)) { found[i] = f; free.delete(f); }
  });
  take((c) => fields.find((f) => plain(f) === c));
  take((c) => Object.keys(known).find((f) => known[f].includes(c)));
  return found;
}

// Putting terms into a query of the search languages and taking them out again. A query is a list of terms that must all
// hold; what else it may have (OR, NOT, parentheses) is kept as it was typed.

// tokens splits a query at the blanks outside of quotes and parentheses.
export function tokens(q: string): string[] {
  const list: string[] = [];
  let token = '';
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < q.length; i++) {
    const c = q[i];
    if (quoted && c === '\\') { token += c + (q[++i] ?? ''); continue; }
    if (c === '"') quoted = !quoted;
    if (!quoted && c === '(') depth++;
    if (!quoted && c === ')') depth--;
    if (!quoted && depth <= 0 && /\s/.test(c)) {
      if (token) list.push(token);
      token = '';
    } else token += c;
  }
  if (token) list.push(token);
  return list;
}

const fieldOf = (term: string) => /^([\w.@-]+):/.exec(term)?.[1].toLowerCase();

// alternatives are the terms of "(a:1 OR a:2)" when all are of one field, else null. A single term is one alternative.
function alternatives(token: string, field: string): string[] | null {
  const inner = token.startsWith('(') && token.endsWith(')') ? tokens(token.slice(1, -1)) : [token];
  const terms = inner.filter((_, i) => i % 2 === 0);
  if (inner.some((t, i) => i % 2 === 1 && t !== 'OR')) return null;
  return terms.length > 0 && terms.every((t) => fieldOf(t) === field.toLowerCase()) ? terms : null;
}

// chosen are the values' terms that the query asks for a field.
export const chosen = (q: string, field: string): string[] => tokens(q).flatMap((t) => alternatives(t, field) ?? []);

// without is the query without what it asks of a field.
export const without = (q: string, field: string): string => tokens(q).filter((t) => !alternatives(t, field)).join(' ');

// toggled puts a term of a field in or takes it out. Several terms of a field are alternatives.
export function toggled(q: string, field: string, term: string): string {
  const now = chosen(q, field);
  const next = now.includes(term) ? now.filter((t) => t !== term) : [...now, term];
  return and(without(q, field), next.length > 1 ? `(${next.join(' OR ')})` : next[0] ?? '');
}

// and joins two queries; an OR inside one of them stays inside.
export function and(a: string, b: string): string {
  const whole = (q: string) => (tokens(q).includes('OR') ? `(${q.trim()})` : q.trim());
  if (!a.trim() || !b.trim()) return a.trim() || b.trim();
  return `${whole(a)} ${whole(b)}`;
}

// quoted is a text as one word of a query.
export const quoted = (s: string) => (/^[\p{L}\p{N}_.-]+$/u.test(s) && !/^(AND|OR|NOT)$/.test(s) && !s.startsWith('-') ? s : `"${s.replace(/[\\"]/g, '\\$&')}"`);

// charAt is where a byte of the text's UTF-8 form stands in the text.
export function charAt(text: string, byte: number): number {
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, byte)).length;
}

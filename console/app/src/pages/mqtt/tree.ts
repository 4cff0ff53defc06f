// The topics that were seen, as a tree by their levels.

export interface Node {
  name: string; // the level
  path: string; // the topic up to here
  children: Map<string, Node>;
  messages: number; // on this topic and all below it
  own: number; // on this very topic
  retained: boolean;
  topics: number; // topics that exist at or below
}

const fresh = (name: string, path: string): Node => ({ name, path, children: new Map(), messages: 0, own: 0, retained: false, topics: 0 });

// A TopicTree holds at most `most` topics; messages of others are counted as left out.
export class TopicTree {
  root = fresh('', '');
  leftOut = 0;
  private known = new Map<string, Node>();

  constructor(readonly most = 20_000) {}

  get size() { return this.known.size; }

  // add tells of n more messages on a topic.
  add(topic: string, n: number): Node | null {
    const path = this.pathOf(topic);
    if (!path) { this.leftOut += n; return null; }
    for (const node of path) node.messages += n;
    path.at(-1)!.own += n;
    return path.at(-1)!;
  }

  // setRetained tells which topics have a retained message; all others have none.
  setRetained(topics: Iterable<string>) {
    for (const node of this.known.values()) node.retained = false;
    for (const t of topics) { const node = this.pathOf(t)?.at(-1); if (node) node.retained = true; }
  }

  find(topic: string): Node | undefined { return this.known.get(topic); }

  private pathOf(topic: string): Node[] | null {
    const isNew = !this.known.has(topic);
    if (isNew && this.known.size >= this.most) return null;
    const path = [this.root];
    let at = '';
    for (const [i, level] of topic.split('/').entries()) {
      at = i === 0 ? level : `${at}/${level}`;
      const parent = path.at(-1)!;
      let node = parent.children.get(level);
      if (!node) parent.children.set(level, node = fresh(level, at));
      path.push(node);
    }
    if (isNew) {
      this.known.set(topic, path.at(-1)!);
      for (const node of path) node.topics++;
    }
    return path;
  }
}

export interface TreeRow { node: Node; label: string; depth: number; open: boolean; leaf: boolean }

// rowsOf are the rows of the tree that show, with levels that have nothing beside them joined to one row.
export function rowsOf(root: Node, open: ReadonlySet<string>): TreeRow[] {
  const rows: TreeRow[] = [];
  const walk = (parent: Node, depth: number) => {
    const children = [...parent.children.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    for (let node of children) {
      let label = node.name;
      while (node.children.size === 1 && node.own === 0 && !node.retained) {
        node = [...node.children.values()][0];
        label += `/${node.name}`;
      }
      const leaf = node.children.size === 0;
      const isOpen = !leaf && open.has(node.path);
      rows.push({ node, label, depth, open: isOpen, leaf });
      if (isOpen) walk(node, depth + 1);
    }
  };
  walk(root, 0);
  return rows;
}

// under tells whether a topic is path or below it.
export const under = (topic: string, path: string) => path === '' || topic === path || topic.startsWith(`${path}/`);

// deviceOf is the id of the device that a topic belongs to.
export const deviceOf = (topic: string): string | null => /^xi\/(?:blue|ctrl)\/v1\/[^/]+\/d\/([0-9a-f-]{36})(?:\/|$)/.exec(topic)?.[1] ?? null;

// filterFault says what is wrong with a topic filter, null when nothing is.
export function filterFault(filter: string): string | null {
  if (filter === '') return 'A filter has at least one character.';
  if (new TextEncoder().encode(filter).length > 65_535) return 'This is longer than MQTT allows.';
  const levels = filter.split('/');
  for (const [i, level] of levels.entries()) {
    if (level.includes('#') && (level !== '#' || i !== levels.length - 1)) return '# stands for all levels below: it is a level of its own, and the last one.';
    if (level.includes('+') && level !== '+') return '+ stands for one level: it is a level of its own.';
  }
  return null;
}

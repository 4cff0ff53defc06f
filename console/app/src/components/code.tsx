import { ActionIcon, CopyButton, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';

// Copy puts text into the clipboard.
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : label}>
          <ActionIcon size="sm" onClick={(e) => { e.stopPropagation(); copy(); }} aria-label={label} color={copied ? 'brand' : 'gray'}>
            {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

// Code is text to be copied: a command, a program, a payload.
export function Code({ text, copy = true }: { text: string; copy?: boolean }) {
  return (
    <div className="code">
      <pre tabIndex={0}>{text}</pre>
      {copy && <span className="copy"><Copy text={text} /></span>}
    </div>
  );
}

// ID is an identifier: clipped where there is no room, whole in the clipboard.
export function ID({ id, short = false }: { id: string; short?: boolean }) {
  return (
    <span style={{ display: 'inline-flex', alignItems: 'center', gap: 4, maxWidth: '100%', verticalAlign: 'bottom' }}>
      <span className="mono clip" title={id}>{short ? `${id.slice(0, 8)}…` : id}</span>
      <Copy text={id} label="Copy id" />
    </span>
  );
}

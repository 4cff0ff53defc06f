import { Combobox, Loader, Text, TextInput, useCombobox } from '@mantine/core';
import { useDebouncedValue, useHotkeys } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';

// A Completion replaces the text from its place on; without one, the last word.
export interface Completion { insert: string; label: string; note?: string; from?: number }

interface Props {
  value: string;
  onChange: (value: string) => void; // when the person is done: Enter, a chosen completion, or a pause
  complete: (text: string, signal: AbortSignal) => Promise<Completion[]>; // for the word that text ends with
  name: string; // distinguishes what is completed
  placeholder: string;
  label: string;
  error?: string;
}

// whole tells whether somebody may have finished typing: not after a field's name, within quotes or parentheses.
const whole = (q: string) => !/([:(]|[:.][<>=]+|\b(AND|OR|NOT))\s*$/.test(q) && (q.match(/(?<!\\)"/g) ?? []).length % 2 === 0 && q.split('(').length === q.split(')').length;

// QueryInput takes a query in one of the search languages and completes its last word. The key / goes to it.
export function QueryInput({ value, onChange, complete, name, placeholder, label, error }: Props) {
  const [typed, setTyped] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const [settled] = useDebouncedValue(typed, 120);
  useEffect(() => setTyped(value), [value]);
  useHotkeys([['/', () => input.current?.focus()]]);
  const [done] = useDebouncedValue(typed, 600);
  const changed = useRef(onChange);
  useEffect(() => { changed.current = onChange; });
  useEffect(() => { if (done.trim() !== value.trim() && whole(done)) changed.current(done.trim()); }, [done]);

  const { data: found, isFetching } = useQuery({
    queryKey: ['complete', name, settled],
    queryFn: ({ signal }) => complete(settled, signal).catch(() => []),
    enabled: combobox.dropdownOpened,
    staleTime: 30_000,
  });
  // What was found for less than what is typed now is not offered: Enter would choose it.
  const data = settled === typed && found ? found : [];
  const choose = (insert: string) => {
    const from = data.find((c) => c.insert === insert)?.from;
    const next = (from === undefined ? typed.replace(/\S*$/, '') : typed.slice(0, from)) + insert;
    setTyped(next);
    if (!insert.endsWith(':')) { onChange(next.trim()); combobox.closeDropdown(); }
    input.current?.focus();
  };
  return (
    <Combobox store={combobox} onOptionSubmit={choose} shadow="md">
      <Combobox.Target>
        <TextInput
          ref={input} value={typed} placeholder={placeholder} aria-label={label} error={error} leftSection={<IconSearch size={16} />}
          rightSection={isFetching ? <Loader size={14} /> : <kbd className="key">/</kbd>} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }}
          autoComplete="off" spellCheck={false} style={{ flex: '1 1 280px' }}
          onChange={(e) => { setTyped(e.currentTarget.value); combobox.resetSelectedOption(); combobox.openDropdown(); }}
          onFocus={() => combobox.openDropdown()} onBlur={() => combobox.closeDropdown()}
          onKeyDown={(e) => {
            if (e.key === 'Enter' && combobox.getSelectedOptionIndex() < 0) { onChange(typed.trim()); combobox.closeDropdown(); }
            if (e.key === 'Escape') { e.stopPropagation(); combobox.closeDropdown(); }
            if (e.key === 'Tab' && combobox.dropdownOpened && data.length > 0 && combobox.getSelectedOptionIndex() >= 0) { e.preventDefault(); combobox.clickSelectedOption(); }
          }}
        />
      </Combobox.Target>
      {data.length > 0 && (
        <Combobox.Dropdown>
          <Combobox.Options mah={280} style={{ overflowY: 'auto' }} aria-label="Completions">
            {data.map((c) => (
              <Combobox.Option key={c.insert} value={c.insert}>
                <span className="mono">{c.label}</span>
                {c.note && <Text span size="xs" c="dimmed" ml={10}>{c.note}</Text>}
              </Combobox.Option>
            ))}
          </Combobox.Options>
        </Combobox.Dropdown>
      )}
    </Combobox>
  );
}

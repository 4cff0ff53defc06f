// Fields of directory objects in forms. A form keeps texts; the type says what they mean.
import { NumberInput, Select, Textarea, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';

export type FieldType = 'string' | 'text' | 'number' | 'boolean' | 'datetime';

export const fieldTypes: { value: FieldType; label: string }[] = [
  { value: 'string', label: 'Text' }, { value: 'text', label: 'Long text' }, { value: 'number', label: 'Number' },
  { value: 'boolean', label: 'Yes or no' }, { value: 'datetime', label: 'Date and time' },
];

// fieldValue is what a text of a form is in JSON; null for an empty one.
export function fieldValue(type: string, typed: string): unknown {
  if (typed.trim() === '') return null;
  switch (type) {
    case 'number': return Number(typed);
    case 'boolean': return typed === 'true';
    case 'datetime': return new Date(typed).toISOString();
    default: return typed;
  }
}

const pad = (n: number) => String(n).padStart(2, '0');

// fieldText is the other way: what a form shows of a value.
export function fieldText(type: string, v: unknown): string {
  if (v === null || v === undefined) return '';
  if (type === 'datetime') {
    const d = new Date(String(v));
    return Number.isNaN(d.getTime()) ? '' : `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${pad(d.getHours())}:${pad(d.getMinutes())}`;
  }
  return String(v);
}

interface Props { type: string; label?: ReactNode; name?: string; value: string; onChange: (v: string) => void; required?: boolean; error?: string; description?: ReactNode; disabled?: boolean; autoFocus?: boolean; size?: string }

export function FieldInput({ type, value, onChange, name, ...props }: Props) {
  const shared = { ...props, 'aria-label': props.label ? undefined : name };
  switch (type) {
    case 'number': return <NumberInput {...shared} value={value} onChange={(v) => onChange(String(v))} />;
    case 'boolean': return <Select {...shared} value={value || null} onChange={(v) => onChange(v ?? '')} data={[{ value: 'true', label: 'yes' }, { value: 'false', label: 'no' }]} clearable={!props.required} />;
    case 'datetime': return <TextInput {...shared} type="datetime-local" value={value} onChange={(e) => onChange(e.currentTarget.value)} />;
    case 'text': return <Textarea {...shared} autosize minRows={2} maxRows={8} value={value} onChange={(e) => onChange(e.currentTarget.value)} />;
    default: return <TextInput {...shared} value={value} onChange={(e) => onChange(e.currentTarget.value)} />;
  }
}

import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Code } from './code';

// Once shows secrets that the server gives out only now. It closes only by its button, which says that they are kept.
export function Once({ title, secrets, children, onClose }: { title: string; secrets: { label: string; value: string }[]; children?: ReactNode; onClose: () => void }) {
  return (
    <Modal opened onClose={() => {}} withCloseButton={false} closeOnClickOutside={false} closeOnEscape={false} title={<Text fw={600}>{title}</Text>} size="lg">
      <Stack>
        <Alert color="yellow" variant="light" icon={<IconKey size={18} />}>Shown only now. Keep it in a safe place: the server stores nothing that it could be read from.</Alert>
        {secrets.map((s) => <div key={s.label}><Text size="sm" fw={550} mb={4}>{s.label}</Text><Code text={s.value} /></div>)}
        {children}
        <Group justify="flex-end"><Button onClick={onClose} data-autofocus>I have kept it</Button></Group>
      </Stack>
    </Modal>
  );
}

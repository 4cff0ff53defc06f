import { Alert, Box, Button, Center, Group, Loader, Stack, Text, ThemeIcon } from '@mantine/core';
import { IconAlertTriangle, IconRefresh } from '@tabler/icons-react';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ComponentType, ReactNode } from 'react';
import { ApiError } from '../api/client';

// Empty says what would be here and how to get it.
export function Empty({ icon: Icon, title, children, action }: { icon: ComponentType<{ size?: number; stroke?: number }>; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <Center py={48} px="md">
      <Stack align="center" gap={10} maw={440}>
        <ThemeIcon size={48} radius="xl" variant="light" color="gray"><Icon size={24} stroke={1.6} /></ThemeIcon>
        <Text fw={570} ta="center">{title}</Text>
        {children && <Text size="sm" c="dimmed" ta="center" component="div">{children}</Text>}
        {action && <Box mt={6}>{action}</Box>}
      </Stack>
    </Center>
  );
}

export const Loading = () => <Center py={64}><Loader size="sm" role="status" aria-label="Loading" /></Center>;

// Failed shows an error where the content would be.
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const e = error instanceof Error ? error : new Error(String(error));
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle size={18} />} title={e instanceof ApiError && e.status === 404 ? 'Not found' : 'That did not work'} role="alert">
      <Text size="sm" className="break">{e.message}</Text>
      {e instanceof ApiError && e.requestId && <Text size="xs" c="dimmed" mt={4}>Request {e.requestId}</Text>}
      {again && <Group mt="sm"><Button size="xs" variant="default" leftSection={<IconRefresh size={14} />} onClick={again}>Try again</Button></Group>}
    </Alert>
  );
}

// Loaded shows the data of a query, or that it is loading, or why it failed.
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />;
  return <Loading />;
}

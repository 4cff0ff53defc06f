import { Anchor, Box, Group, Text, Title } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';
import { Link } from 'react-router';
import { HintButton, type Hint } from './hints';

interface Props {
  title: string; // also of the browser's tab
  heading?: ReactNode; // in place of the title
  description?: ReactNode;
  back?: { to: string; label: string };
  actions?: ReactNode;
  hints?: Hint[]; // the same from a terminal
  children: ReactNode;
  fill?: boolean; // the page takes the height of the window, and its parts scroll
}

// Page is the frame of every screen: its title, what can be done, and its content.
export function Page({ title, heading, description, back, actions, hints, children, fill }: Props) {
  useEffect(() => { document.title = `${title} · xively`; }, [title]);
  return (
    <Box className={fill ? 'page page-fill' : 'page'}>
      <Group justify="space-between" align="flex-start" gap="sm" mb="md" wrap="wrap">
        <Box miw={0} flex="1 1 180px">
          {back && <Anchor component={Link} to={back.to} size="xs" c="dimmed">← {back.label}</Anchor>}
          <Title order={1} className="break">{heading ?? title}</Title>
          {description && <Text c="dimmed" size="sm" mt={2} component="div">{description}</Text>}
        </Box>
        <Group gap={8} wrap="wrap">
          {actions}
          {hints && hints.length > 0 && <HintButton hints={hints} />}
        </Group>
      </Group>
      {children}
    </Box>
  );
}

// Card is a part of a page with a title of its own.
export function Card({ title, actions, children, pad = true, className }: { title?: ReactNode; actions?: ReactNode; children: ReactNode; pad?: boolean; className?: string }) {
  return (
    <section className={`card ${className ?? ''}`}>
      {(title !== undefined || actions) && <div className="card-head"><h2>{title}</h2>{actions && <Group gap={6}>{actions}</Group>}</div>}
      {pad ? <div className="card-body">{children}</div> : children}
    </section>
  );
}

import { ActionIcon, AppShell, Avatar, Burger, Button, Group, Menu, ScrollArea, Text, useMantineColorScheme, VisuallyHidden } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { spotlight } from '@mantine/spotlight';
import { IconDeviceDesktop, IconLock, IconLogout, IconMoon, IconSearch, IconSun } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Suspense, useEffect } from 'react';
import { Link, NavLink, Outlet, useLocation } from 'react-router';
import { send } from '../api/client';
import { useSession } from '../api/session';
import { Loading } from '../components/states';
import { more, places } from './nav';
import { Palette } from './palette';

export interface ServerSettings { tlsPort: number; mqttsPort: number; authority: boolean; version: string; publicUrl?: string; localPort?: number; mqttPort?: number; maxMind?: boolean }

// useSettings is what the server tells of itself to everybody.
export const useSettings = () => useQuery({ queryKey: ['settings.json'], queryFn: () => send<ServerSettings>('GET', '/settings.json'), staleTime: Infinity });

// Shell is what stands around every page: the menu, the search over everything, who is signed in.
export function Shell() {
  const [open, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  useEffect(close, [pathname]);
  return (
    <AppShell header={{ height: 52 }} navbar={{ width: 224, breakpoint: 'md', collapsed: { mobile: !open } }} padding={0}>
      <a href="#main" className="skip">Skip to the content</a>
      <AppShell.Header className="shell-head">
        <Group h="100%" px={14} justify="space-between" wrap="nowrap" gap="sm">
          <Group gap={10} wrap="nowrap">
            <Burger opened={open} onClick={toggle} size="sm" className="only-narrow" aria-label="Menu" />
            <Link to="/" className="brand"><img src="/icon.svg" alt="" width={24} height={24} />xively</Link>
          </Group>
          <Button variant="default" className="palette-button" leftSection={<IconSearch size={15} />} rightSection={<kbd className="key only-wide">Ctrl K</kbd>} onClick={spotlight.open} justify="flex-start">
            <Text span size="sm" c="dimmed" className="clip">Search or jump to…</Text>
          </Button>
          <Group gap={4} wrap="nowrap">
            <SchemeMenu />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className="shell-nav">
        <ScrollArea flex={1} px={10} py={8} component="nav" aria-label="Console">
          {places.map((group) => (
            <div key={group.title ?? ''}>
              {group.title && <div className="nav-title">{group.title}</div>}
              {group.items.map(({ to, label, icon: Icon }) => (
                <NavLink key={to} to={to} end={to === '/'} className={({ isActive }) => (isActive ? 'nav-link active' : 'nav-link')}>
                  <Icon size={18} stroke={1.7} />{label}
                </NavLink>
              ))}
            </div>
          ))}
        </ScrollArea>
        <NavFoot />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Suspense fallback={<Loading />}><Outlet /></Suspense>
      </AppShell.Main>
      <Palette />
    </AppShell>
  );
}

function NavFoot() {
  const settings = useSettings();
  const Icon = more.docs.icon;
  return (
    <div className="nav-foot">
      <a href={more.docs.href} target="_blank" rel="noreferrer" className="nav-link"><Icon size={18} stroke={1.7} />{more.docs.label}</a>
      <Text size="xs" c="dimmed" px={10} pt={6} className="clip">{settings.data?.version ? `Version ${settings.data.version}` : ' '}</Text>
    </div>
  );
}

function SchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const choices = [['light', 'Light', IconSun], ['dark', 'Dark', IconMoon], ['auto', 'As the system', IconDeviceDesktop]] as const;
  const Icon = choices.find(([name]) => name === colorScheme)?.[2] ?? IconDeviceDesktop;
  return (
    <Menu position="bottom-end">
      <Menu.Target><ActionIcon size="lg" aria-label="Colours"><Icon size={18} stroke={1.7} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {choices.map(([name, label, I]) => <Menu.Item key={name} leftSection={<I size={16} />} onClick={() => setColorScheme(name)} fw={name === colorScheme ? 600 : undefined}>{label}</Menu.Item>)}
      </Menu.Dropdown>
    </Menu>
  );
}

function UserMenu() {
  const { name, emailAddress, accountId } = useSession();
  const signOut = async () => {
    await send('POST', '/api/v1/auth/logout', {}).catch(() => {});
    location.assign(`/sign-in?${new URLSearchParams({ accountId })}`);
  };
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <ActionIcon size="lg" radius="xl"><Avatar size={28} radius="xl" color="brand" variant="filled" name={name} /><VisuallyHidden>Your account</VisuallyHidden></ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label><span className="clip" style={{ display: 'block' }}>{name}</span>{emailAddress !== name && <span className="clip" style={{ display: 'block' }}>{emailAddress}</span>}</Menu.Label>
        <Menu.Item component={Link} to="/settings/security" leftSection={<IconLock size={16} />}>Sign-in and security</Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

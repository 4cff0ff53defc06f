// What the console has, where it stands and what it is called; the menu and the palette are both made of this.
import {
  IconAdjustments, IconBinaryTree2, IconChartLine, IconCpu, IconHelpCircle, IconLayoutDashboard, IconListSearch, IconMap2, IconMessages, IconShieldCheck, IconTemplate, IconUserShield, IconUsers,
} from '@tabler/icons-react';
import type { ComponentType } from 'react';

export interface Place { to: string; label: string; icon: ComponentType<{ size?: number; stroke?: number }>; words?: string }

export const places: { title?: string; items: Place[] }[] = [
  { items: [{ to: '/', label: 'Overview', icon: IconLayoutDashboard, words: 'home dashboard' }] },
  { title: 'Devices', items: [
    { to: '/devices', label: 'Devices', icon: IconCpu, words: 'things list search import' },
    { to: '/map', label: 'Map', icon: IconMap2, words: 'location gps geo' },
    { to: '/groups', label: 'Groups', icon: IconBinaryTree2, words: 'organizations tree members roles' },
    { to: '/model', label: 'Model', icon: IconTemplate, words: 'templates custom fields channels' },
  ] },
  { title: 'Data', items: [
    { to: '/data', label: 'Data explorer', icon: IconChartLine, words: 'time series charts points' },
    { to: '/logs', label: 'Logs', icon: IconListSearch, words: 'events search tail' },
    { to: '/messages', label: 'MQTT explorer', icon: IconMessages, words: 'topics publish subscribe retained' },
  ] },
  { title: 'People and access', items: [
    { to: '/end-users', label: 'End users', icon: IconUsers, words: 'customers people' },
    { to: '/admins', label: 'Admins', icon: IconUserShield, words: 'account users invite applications providers openid' },
    { to: '/access', label: 'Access explainer', icon: IconShieldCheck, words: 'permission why allowed denied' },
  ] },
  { title: 'Server', items: [
    { to: '/settings', label: 'Settings', icon: IconAdjustments, words: 'backup restore retention mail tls limits api keys audit security password' },
  ] },
];

export const more = { docs: { label: 'API reference', href: '/docs', icon: IconHelpCircle } };

// Which page an address shows. Each page is a file of its own, fetched when it is first shown.
import { lazy, Suspense, type ComponentType } from 'react';
import { createBrowserRouter, isRouteErrorResponse, Navigate, RouterProvider, useRouteError, type RouteObject } from 'react-router';
import { SessionProvider } from './api/session';
import { Empty, Failed, Loading } from './components/states';
import { Narrow } from './pages/sign-in/parts';
import { Shell } from './shell/shell';
import { IconMapQuestion } from '@tabler/icons-react';

const page = (path: string, load: () => Promise<{ default: ComponentType }>): RouteObject => {
  const Page = lazy(load);
  return { path, element: <Suspense fallback={<Loading />}><Page /></Suspense>, errorElement: <Broken /> };
};

// For those who are not signed in. Links from mails carry what they prove in the fragment, which browsers send nowhere.
const open = [
  page('/setup', () => import('./pages/sign-in/setup')),
  page('/sign-in', () => import('./pages/sign-in/sign-in')),
  page('/forgot-password', () => import('./pages/sign-in/forgot')),
  page('/reset-password', () => import('./pages/sign-in/reset')),
  page('/invitation', () => import('./pages/sign-in/invitation')),
];

const admins = [
  page('/', () => import('./pages/overview/overview')),
  page('/first-device', () => import('./pages/first-device/first-device')),
  page('/devices', () => import('./pages/devices/devices')),
  page('/devices/import', () => import('./pages/devices/import')),
  page('/devices/:id/:tab?', () => import('./pages/device/device')),
  page('/map', () => import('./pages/map/map')),
  page('/groups/:id?', () => import('./pages/groups/groups')),
  page('/model/:kind?/:id?', () => import('./pages/model/model')),
  page('/data', () => import('./pages/data/data')),
  page('/logs', () => import('./pages/logs/logs')),
  page('/messages', () => import('./pages/mqtt/mqtt')), // /mqtt is the broker's WebSocket
  { path: '/mqtt', element: <Navigate to="/messages" replace /> },
  page('/end-users/:id?', () => import('./pages/people/end-users')),
  page('/admins/:tab?', () => import('./pages/people/admins')),
  page('/access', () => import('./pages/access/access')),
  page('/settings/:tab?', () => import('./pages/settings/settings')),
  { path: '*', element: <NotFound /> },
];

function NotFound() {
  return <Empty icon={IconMapQuestion} title="There is no page of this address" action={<a href="/">To the overview</a>} />;
}

function Broken() {
  const error = useRouteError();
  return <div className="page"><Failed error={isRouteErrorResponse(error) ? new Error(error.statusText) : error} again={() => location.reload()} /></div>;
}

function SignedIn() {
  return (
    <SessionProvider
      loading={<Loading />}
      failed={(e) => <Narrow title="The console did not start"><Failed error={e} again={() => location.reload()} /></Narrow>}
      noAdmin={<Narrow title="The console is for admins" lead="You are signed in, but not as an admin of the account. Ask one of them for an invitation." below={<a href="/sign-in">Sign in as somebody else</a>} />}
    >
      <Shell />
    </SessionProvider>
  );
}

const router = createBrowserRouter([...open, { element: <SignedIn />, errorElement: <Broken />, children: admins }]);

export const App = () => <RouterProvider router={router} />;

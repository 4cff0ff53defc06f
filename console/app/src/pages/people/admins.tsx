import { Tabs } from '@mantine/core';
import { useNavigate, useParams } from 'react-router';
import { curl, type Hint } from '../../components/hints';
import { Page } from '../../components/page';
import { AdminList } from './admin-list';
import { Applications } from './applications';
import { Providers } from './providers';
import { Roles } from './roles';

const hints: Hint[] = [
  { title: 'Admins', command: curl('GET', '/api/v1/account-users?pageSize=100') },
  { title: 'Invite one', command: curl('POST', '/api/v1/invitations', { emailAddress: 'bob@example.com' }) },
  { title: 'By the command line', command: 'xively users list\nxively users invite bob@example.com\nxively applications create --name "My app" --type endUser' },
];

export default function AdminsPage() {
  const { tab = 'admins' } = useParams();
  const navigate = useNavigate();
  return (
    <Page title="Admins" description="Who administers this account, and what else may sign people in to it." hints={hints}>
      <Tabs value={tab} onChange={(t) => navigate(t === 'admins' ? '/admins' : `/admins/${t}`)} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="admins">Admins</Tabs.Tab>
          <Tabs.Tab value="roles">Roles</Tabs.Tab>
          <Tabs.Tab value="applications">App credentials</Tabs.Tab>
          <Tabs.Tab value="providers">OpenID providers</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="admins"><AdminList /></Tabs.Panel>
        <Tabs.Panel value="roles"><Roles /></Tabs.Panel>
        <Tabs.Panel value="applications"><Applications /></Tabs.Panel>
        <Tabs.Panel value="providers"><Providers /></Tabs.Panel>
      </Tabs>
    </Page>
  );
}

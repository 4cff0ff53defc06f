import { Anchor, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { ApiError, send } from '../../api/client';
import { Failed, Loading } from '../../components/states';
import { BrokenLink } from './broken-link';
import { Email, Form, fragment, go, Narrow, NewPassword } from './parts';

interface Invitation { accountName: string; emailAddress: string; jobRoles: string[] }

export default function InvitationPage() {
  const [token] = useState(() => fragment().get('token'));
  const { data, error } = useQuery({
    queryKey: ['invitation'], enabled: !!token, retry: false, staleTime: Infinity,
    queryFn: async () => (await send<{ invitation: Invitation }>('POST', '/api/v1/invitations/read', { token })).invitation,
  });
  if (!token) return <BrokenLink from="the invitation" />;
  if (error instanceof ApiError && error.field === 'token') return <Narrow title="Invitation" below={<Anchor href="/sign-in">Sign in</Anchor>}><Text size="sm">{error.message}</Text></Narrow>;
  if (error) return <Narrow title="Invitation"><Failed error={error} /></Narrow>;
  if (!data) return <Loading />;
  return (
    <Narrow title="You are invited" lead={<>Become an admin of <b className="break">{data.accountName}</b>.</>}>
      <Form button="Accept" run={async (values) => {
        await send('POST', '/api/v1/invitations/accept', { token, ...values });
        go('/');
      }}>
        <Email value={data.emailAddress} readOnly description="You sign in with it." />
        <Group grow align="flex-start">
          <TextInput label="First name" name="firstName" maxLength={128} autoComplete="given-name" required autoFocus />
          <TextInput label="Last name" name="lastName" maxLength={128} autoComplete="family-name" required />
        </Group>
        <NativeSelect label="What you do" name="jobRole" data={[{ value: '', label: 'I would rather not say' }, ...data.jobRoles]} />
        <NewPassword name="password" />
      </Form>
    </Narrow>
  );
}

import { Anchor, Text } from '@mantine/core';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { send } from '../../api/client';
import { Email, Form, Narrow } from './parts';

export default function Forgot() {
  const [query] = useSearchParams();
  const accountId = query.get('accountId') ?? '';
  const account: Record<string, string> = accountId ? { accountId } : {};
  const [sentTo, setSentTo] = useState('');
  const back = <Anchor component={Link} to={`/sign-in?${new URLSearchParams(account)}`}>Back to sign-in</Anchor>;
  if (sentTo) {
    return (
      <Narrow title="Look into your mail" below={back}>
        <Text role="status" size="sm">If somebody signs in with <b className="break">{sentTo}</b>, a link is on its way there. It is good for 30 minutes.</Text>
        <Text size="sm" c="dimmed" mt="sm">Nothing there? Look among the unwanted mail, or ask an admin of your account: this server may send no mail.</Text>
      </Narrow>
    );
  }
  return (
    <Narrow title="Forgot your password?" lead="We mail you a link to choose a new one." below={back}>
      <Form button="Send the link" run={async ({ emailAddress }) => {
        await send('POST', '/api/v1/auth/forgot-password', { emailAddress, ...account });
        setSentTo(emailAddress);
      }}><Email autoFocus /></Form>
    </Narrow>
  );
}

import { Anchor, Button, Text } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'react-router';
import { send } from '../../api/client';
import { BrokenLink } from './broken-link';
import { Form, fragment, Narrow, NewPassword } from './parts';

export default function Reset() {
  const [link] = useState(fragment);
  const [done, setDone] = useState(false);
  const userId = link.get('userId');
  const token = link.get('token');
  const again = <Anchor component={Link} to="/forgot-password">Ask for a new link</Anchor>;
  if (!userId || !token) return <BrokenLink from="the mail" below={again} />;
  if (done) {
    return (
      <Narrow title="Your password is set">
        <Text role="status" size="sm" mb="md">Sign in with it now.</Text>
        <Button component={Link} to="/sign-in" fullWidth>Sign in</Button>
      </Narrow>
    );
  }
  return (
    <Narrow title="Choose a password" lead="It ends every sign-in of yours." below={again}>
      <Form button="Set password" run={async ({ newPassword }) => {
        await send('POST', `/api/v1/users/${encodeURIComponent(userId)}/change-password-with-token`, { passwordResetToken: token, newPassword });
        history.replaceState(null, '', '/reset-password'); // the link has done its work
        setDone(true);
      }}><NewPassword name="newPassword" /></Form>
    </Narrow>
  );
}

import { TextInput } from '@mantine/core';
import { send } from '../../api/client';
import { Email, Form, fragment, go, Narrow, NewPassword } from './parts';

// Setup makes the first account. Its link, printed by the server, carries a token that works once.
export default function Setup() {
  const token = fragment().get('token');
  if (!token) {
    return (
      <Narrow title="Set up this server" lead="The first account is made by a link that the server printed when it started: look into its log for the line “set up”. It holds a token that nobody else can know.">
        <a href="/">To the console</a>
      </Narrow>
    );
  }
  return (
    <Narrow title="Welcome" lead="Make the first account and its administrator. The link you followed works once.">
      <Form button="Create account" run={async (values) => {
        await send('POST', '/api/v1/setup', { token, ...values });
        go('/first-device');
      }}>
        <TextInput label="Account name" name="accountName" description="Your company or product" maxLength={128} autoComplete="organization" required autoFocus />
        <Email />
        <NewPassword name="password" />
      </Form>
    </Narrow>
  );
}

import { Anchor, Button, Divider, PasswordInput, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useSearchParams } from 'react-router';
import { send } from '../../api/client';
import { Email, Form, go, localURL, Narrow, OneTimeCode, useCode } from './parts';

const wrongSignIn = 'The e-mail address or the password is wrong.';

export default function SignIn() {
  const [query] = useSearchParams();
  const accountId = query.get('accountId') ?? '';
  const next = localURL(query.get('next') ?? '/');
  const account: Record<string, string> = accountId ? { accountId } : {};
  const code = useCode();
  // Without them the password still works, so a failure is not said.
  const { data: providers = [] } = useQuery({
    queryKey: ['providers', accountId],
    enabled: accountId !== '',
    retry: false,
    queryFn: async () => (await send<{ providers: { name: string; start: string }[] }>('GET', `/api/v1/auth/providers?${new URLSearchParams(account)}`)).providers,
  });
  const path = next.slice(location.origin.length);
  return (
    <Narrow title="Sign in" below={<Anchor component={Link} to={`/forgot-password?${new URLSearchParams(account)}`}>Forgot your password?</Anchor>}>
      <Form button="Sign in" run={async (values) => {
        try {
          await send('POST', '/api/v1/auth/login-user', { ...values, ...account });
        } catch (e) {
          code.asked(e, accountId ? wrongSignIn : `${wrongSignIn} If the address belongs to several accounts, sign in by the link of one: /sign-in?accountId=…`);
          return;
        }
        go(next);
      }}>
        <Email autoFocus />
        <PasswordInput label="Password" name="password" autoComplete="current-password" required />
        {code.wanted && <OneTimeCode />}
      </Form>
      {providers.length > 0 && (
        <Stack gap="sm" mt="md">
          <Divider label="or" />
          {providers.map((p) => <Button key={p.start} variant="default" component="a" href={localURL(`${p.start}&next=${encodeURIComponent(path)}`)}>Sign in with {p.name}</Button>)}
        </Stack>
      )}
    </Narrow>
  );
}

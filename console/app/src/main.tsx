import '@fontsource-variable/inter/wght.css';
import '@mantine/core/styles.layer.css';
import '@mantine/notifications/styles.layer.css';
import '@mantine/spotlight/styles.layer.css';
import './styles.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { setNonce } from 'get-nonce';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client';
import { freshToken, signInURL } from './api/session';
import { App } from './app';
import { Confirmations } from './components/confirm';
import { theme, variables } from './theme';

// The few style elements that libraries make carry the page's nonce; the content policy allows no others.
const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? '';
setNonce(nonce);

// A session that has ended sends to the sign-in page; a wrong password in a form does not.
async function ended(e: unknown) {
  if (e instanceof ApiError && e.status === 401 && await freshToken().catch(() => '') === null) location.replace(signInURL());
}

const client = new QueryClient({
  queryCache: new QueryCache({ onError: (e) => void ended(e) }),
  mutationCache: new MutationCache({ onError: (e) => void ended(e) }),
  defaultOptions: { queries: { staleTime: 5_000, retry: (n, e) => n < 2 && !(e instanceof ApiError && e.status >= 400 && e.status < 500), refetchOnWindowFocus: true } },
});

createRoot(document.getElementById('root')!).render(
  <QueryClientProvider client={client}>
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <Notifications position="bottom-right" limit={4} />
      <App />
      <Confirmations />
    </MantineProvider>
  </QueryClientProvider>,
);

// The console: which page an address shows. Everything a page does goes over the same REST API that scripts use.

import { api, session } from './api.js';
import { homePage } from './home.js';
import { securityPage } from './security.js';
import { forgotPage, invitationPage, resetPage, setupPage, signInPage } from './sign-in.js';
import { el, failed, showNav } from './ui.js';

// For those who are not signed in. Links from mails carry what they prove in the fragment, which browsers send nowhere.
const open = {
  '/setup': setupPage,
  '/sign-in': signInPage,
  '/forgot-password': forgotPage,
  '/reset-password': resetPage,
  '/invitation': invitationPage,
};

function navigation(who) {
  const link = (href, text) => el('a', { href, ...(href === location.pathname ? { 'aria-current': 'page' } : {}) }, text);
  showNav(link('/', 'Devices'), link('/security', 'Security'), el('button', {
    type: 'button', class: 'quiet',
    onclick: async () => {
      try { await api('POST', '/api/v1/auth/logout', {}); } catch (e) { failed(e); return; }
      location.assign(`/sign-in?accountId=${encodeURIComponent(who.accountId)}`);
    },
  }, 'Sign out'));
}

async function start() {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  const page = open[location.pathname];
  if (page) { await page(query, fragment); return; }
  const who = await session();
  if (!who) {
    await signInPage(new URLSearchParams({ next: location.pathname + location.search }));
    return;
  }
  navigation(who);
  await (location.pathname === '/security' ? securityPage : homePage)(who);
}

addEventListener('hashchange', () => location.reload()); // another link opened in this tab
start().catch(failed);

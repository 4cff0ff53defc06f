// The pages for people who are not signed in: those that OpenID and the links in mails lead to.

import { api } from './api.js';
import { choice, el, failed, field, form, newPassword, showNarrow } from './ui.js';

// localURL takes next when it stays on this server, else the console's first page. What it returns is a whole address, so
// that no path of it can be read as another host's.
function localURL(next) {
  try {
    const url = new URL(next, location.origin);
    if (next.startsWith('/') && url.origin === location.origin) return url.href;
  } catch { /* no address at all */ }
  return `${location.origin}/`;
}

function card(...children) { return el('div', { class: 'card' }, children); }

function emailField(props = {}) {
  return field('E-mail address', { name: 'emailAddress', type: 'email', autocomplete: 'username', ...props });
}

// go leaves the page for good: what its address held must not come back with the back button.
function go(url) { location.replace(url); }

export function setupPage(_, fragment) {
  const token = fragment.get('token');
  if (!token) { go('/'); return; }
  showNarrow('Welcome',
    el('p', { class: 'dim' }, 'Make the first account and its administrator. The link you followed works once.'),
    card(form('Create account', [
      field('Account name', { name: 'accountName', maxLength: 128, autocomplete: 'organization', autofocus: true }, 'Your company or product'),
      emailField(),
      newPassword('password'),
    ], async (values) => {
      await api('POST', '/api/v1/setup', { token, ...values });
      go('/');
    })));
}

export async function signInPage(query) {
  const accountId = query.get('accountId') ?? '';
  const next = localURL(query.get('next') ?? '/');
  const password = field('Password', { name: 'password', type: 'password', autocomplete: 'current-password' });
  const code = codeField();
  const providers = el('div', { class: 'stack' });
  showNarrow('Sign in',
    card(form('Sign in', [emailField({ autofocus: true }), password, code.element],
      async (values) => {
        try {
          await api('POST', '/api/v1/auth/login-user', { ...values, ...(accountId ? { accountId } : {}) });
        } catch (e) {
          code.asked(e, accountId ? wrongSignIn : `${wrongSignIn} If the address belongs to several accounts, sign in by the link of one: /sign-in?accountId=…`);
          return;
        }
        go(next);
      }), providers),
    el('p', {}, el('a', { href: `/forgot-password?${new URLSearchParams(accountId ? { accountId } : {})}` }, 'Forgot your password?')));
  if (accountId) providers.append(...await providerLinks(accountId, next));
}

// providerLinks are the account's other ways to sign in. Without them the password still works, so a failure is not said.
async function providerLinks(accountId, next) {
  const path = next.slice(location.origin.length);
  try {
    const { providers } = await api('GET', `/api/v1/auth/providers?accountId=${encodeURIComponent(accountId)}`);
    return providers.map((p) => el('a', { class: 'button quiet', href: localURL(`${p.start}&next=${encodeURIComponent(path)}`) }, `Sign in with ${p.name}`));
  } catch {
    return [];
  }
}

const wrongSignIn = 'The e-mail address or the password is wrong.';

// codeField is for the one-time code, seen from when on the server asks for it. asked takes the server's refusal;
// wrong is what to say of a wrong password.
export function codeField() {
  const input = el('input', { name: 'oneTimeCode', autocomplete: 'one-time-code', autocapitalize: 'none', spellcheck: false, maxLength: 40, disabled: true });
  const element = el('label', { hidden: true }, 'One-time code', input,
    el('small', {}, 'Your authenticator app shows it. One of your recovery codes will do, too.'));
  return {
    element,
    asked(error, wrong) {
      if (error.status === 401 && !error.field) throw new Error(wrong);
      if (error.field !== 'oneTimeCode') throw error;
      const first = element.hidden;
      element.hidden = input.disabled = false;
      input.required = true;
      input.select();
      if (!first) throw error;
    },
  };
}

export function forgotPage(query) {
  const accountId = query.get('accountId') ?? '';
  const back = el('p', {}, el('a', { href: `/sign-in?${new URLSearchParams(accountId ? { accountId } : {})}` }, 'Back to sign-in'));
  showNarrow('Forgot your password?',
    el('p', { class: 'dim' }, 'We mail you a link to choose a new one.'),
    card(form('Send the link', [emailField({ autofocus: true })], async ({ emailAddress }) => {
      await api('POST', '/api/v1/auth/forgot-password', { emailAddress, ...(accountId ? { accountId } : {}) });
      showNarrow('Look into your mail',
        el('p', { role: 'status' }, 'If somebody signs in with ', el('strong', {}, emailAddress), ', a link is on its way there. It is good for 30 minutes.'),
        el('p', { class: 'dim' }, 'Nothing there? Look among the unwanted mail, or ask an admin of your account: this server may send no mail.'), back);
    })), back);
}

function brokenLink(what, more) {
  showNarrow('This link is not whole', el('p', {}, `Open it again from ${what}, all of it, or ask for a new one.`), more);
}

export function resetPage(_, fragment) {
  const userId = fragment.get('userId');
  const token = fragment.get('token');
  const again = el('p', {}, el('a', { href: '/forgot-password' }, 'Ask for a new link'));
  if (!userId || !token) { brokenLink('the mail', again); return; }
  showNarrow('Choose a password',
    el('p', { class: 'dim' }, 'It ends every sign-in of yours.'),
    card(form('Set password', newPassword('newPassword'), async (values) => {
      await api('POST', `/api/v1/users/${encodeURIComponent(userId)}/change-password-with-token`, { passwordResetToken: token, newPassword: values.newPassword });
      history.replaceState(null, '', '/reset-password'); // the link has done its work
      showNarrow('Your password is set', el('p', { role: 'status' }, 'Sign in with it now.'), el('a', { class: 'button', href: '/sign-in' }, 'Sign in'));
    })), again);
}

export async function invitationPage(_, fragment) {
  const token = fragment.get('token');
  if (!token) { brokenLink('the invitation'); return; }
  let invitation;
  try {
    ({ invitation } = await api('POST', '/api/v1/invitations/read', { token }));
  } catch (e) {
    if (e.field !== 'token') { failed(e); return; }
    showNarrow('Invitation', el('p', {}, e.message), el('a', { href: '/sign-in' }, 'Sign in'));
    return;
  }
  showNarrow('You are invited',
    el('p', {}, 'Become an admin of ', el('strong', {}, invitation.accountName), '.'),
    card(form('Accept', [
      field('E-mail address', { type: 'email', value: invitation.emailAddress, readOnly: true, autocomplete: 'username' }, 'You sign in with it.'),
      el('div', { class: 'row' },
        field('First name', { name: 'firstName', maxLength: 128, autocomplete: 'given-name', autofocus: true }),
        field('Last name', { name: 'lastName', maxLength: 128, autocomplete: 'family-name' })),
      choice('What you do', 'jobRole', [['', 'I would rather not say'], ...invitation.jobRoles.map((r) => [r, r])]),
      newPassword('password'),
    ], async (values) => {
      await api('POST', '/api/v1/invitations/accept', { token, ...values });
      go('/');
    })));
}

// The page of the signed-in user's own sign-in: sessions, password, second factor, and below it, what access.js gives out.

import { apiKeysSection, applicationsSection, invitationsSection } from './access.js';
import { api } from './api.js';
import { confirmed, stillSignedIn, wrongPassword } from './confirm.js';
import { action, code, el, failure, field, form, newPassword, rows, section, show, sure, when } from './ui.js';

export async function securityPage(who) {
  const sections = await Promise.all([sessionsSection(), secondFactorSection(), apiKeysSection(), invitationsSection(), applicationsSection()]);
  const { emailAddress } = await api('GET', `/api/v1/profile/${encodeURIComponent(who.userId)}`);
  const [sessions, ...others] = sections;
  show('Security', el('h1', {}, 'Security'),
    el('p', { class: 'dim' }, 'You are signed in as ', el('span', { class: 'break' }, emailAddress), '.'),
    sessions.element, passwordSection(emailAddress, sessions.load), others.filter((s) => s).map((s) => s.element));
}

const methods = {
  password: 'with the password', openid: 'through another provider', invitation: 'by invitation', setup: 'at the set-up',
  client: 'by an application you let in',
};

// program names the browser and system that a User-Agent header claims, roughly.
function program(agent) {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(agent)?.[1];
  const system = /Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux/.exec(agent)?.[0];
  if (!browser) return agent.slice(0, 60) || 'Unknown program';
  return ({ Edg: 'Edge', OPR: 'Opera' }[browser] ?? browser) + (system ? ` on ${system}` : '');
}

async function sessionsSection() {
  const list = el('div');
  const error = failure();
  const load = async () => {
    const { results } = (await api('GET', '/api/v1/sessions?pageSize=1000')).sessions;
    results.sort((a, b) => b.current - a.current || b.lastUsed.localeCompare(a.lastUsed));
    list.replaceChildren(rows(results.map((s) => ({
      title: el('span', { title: s.userAgent }, program(s.userAgent), s.current ? el('span', { class: 'tag' }, 'this one') : null),
      about: `${s.remote} · signed in ${when(s.created)} ${methods[s.method] ?? ''} · last used ${when(s.lastUsed)}`,
      button: s.current ? null : action('End', error, async () => {
        await api('DELETE', `/api/v1/sessions/${encodeURIComponent(s.id)}`);
        await load();
      }, { 'aria-label': `End the session of ${program(s.userAgent)}, last used ${when(s.lastUsed)}` }),
    })), 'None.'), results.length > 1 ? action('End all others', error, async () => {
      await api('DELETE', '/api/v1/sessions');
      await load();
    }) : '');
  };
  await load();
  return { element: section('Where you are signed in', list, error), load };
}

function passwordSection(emailAddress, sessionsChanged) {
  const done = el('p', { role: 'status', class: 'good' });
  return section('Password', el('p', { class: 'dim' }, 'A new password ends all your other sessions.'),
    form('Change password', [
      el('input', { type: 'email', value: emailAddress, autocomplete: 'username', hidden: true, readOnly: true }), // for password managers
      field('Present password', { name: 'oldPassword', type: 'password', autocomplete: 'current-password' }),
      newPassword('newPassword'),
    ], async (values, _, self) => {
      done.textContent = '';
      try {
        await api('POST', '/api/v1/profile/change-password', values);
      } catch (e) {
        if (e.status === 401) await stillSignedIn();
        throw e.status === 401 ? new Error(wrongPassword) : e;
      }
      self.reset();
      self.querySelector('[name=newPassword]').type = 'password';
      done.textContent = 'Your password is changed.';
      await sessionsChanged();
    }), done);
}

async function secondFactorSection() {
  const body = el('div');
  const error = failure();
  const load = async () => {
    const { secondFactor } = await api('GET', '/api/v1/second-factor');
    body.replaceChildren(...(secondFactor.enabled ? enabledFactor(secondFactor) : [
      el('p', { class: 'dim' }, 'Off. With it, signing in takes a one-time code of an authenticator app besides the password.'),
      action('Set it up', error, async () => beginFactor(await confirmed(() => api('POST', '/api/v1/second-factor', {}))), { class: '' }),
    ]));
  };
  const enabledFactor = ({ recoveryCodesLeft }) => [
    el('p', {}, el('span', { class: 'state on' }, 'On'), ` · ${recoveryCodesLeft} recovery codes left`),
    el('div', { class: 'row' },
      action('New recovery codes', error, async () => {
        if (await sure('New recovery codes?', 'The old ones are of no use any more.', 'Make new codes')) {
          showCodes((await confirmed(() => api('POST', '/api/v1/second-factor/recovery-codes', {}))).secondFactor.recoveryCodes);
        }
      }),
      action('Remove', error, async () => {
        if (await sure('Remove the second factor?', 'The password alone will do to sign in as you.', 'Remove it')) {
          await confirmed(() => api('DELETE', '/api/v1/second-factor'));
          await load();
        }
      })),
  ];
  const beginFactor = ({ secondFactor: { uri, secret } }) => {
    const shown = field('The code it shows', { name: 'oneTimeCode', inputMode: 'numeric', autocomplete: 'one-time-code', pattern: '[0-9 ]{6,7}', title: 'six digits' });
    body.replaceChildren(
      el('p', {}, 'Add this key to your authenticator app, or ', el('a', { href: uri }, 'open it there'), ' when the app is on this machine.'),
      code(secret, 'the key'),
      el('details', {}, el('summary', {}, 'As an address, for apps that take one'), code(uri, 'the address')),
      form('Turn it on', shown, async (values) => {
        showCodes((await confirmed(() => api('POST', '/api/v1/second-factor/confirm', values))).secondFactor.recoveryCodes);
      }));
    shown.querySelector('input').focus();
  };
  const showCodes = (codes) => {
    const heading = el('h3', { tabIndex: -1 }, 'Your recovery codes');
    body.replaceChildren(el('div', { class: 'once' }, heading,
      el('p', {}, 'Each signs you in once when the authenticator is lost. Keep them in a safe place: they are shown only now.'),
      code(codes.join('\n'), 'the recovery codes'),
      action('I have kept them', error, load)));
    heading.focus();
  };
  await load();
  return { element: section('Second factor', body, error) };
}

// Some things the server does only for who proved a short while ago to be the user.

import { api, session } from './api.js';
import { codeField } from './sign-in.js';
import { dialog, el, field, form } from './ui.js';

// confirmed calls run and, when the server wants the password first, asks for it and calls again.
export async function confirmed(run) {
  try {
    return await run();
  } catch (e) {
    if (e.status !== 403 || e.field !== 'password') throw e;
    if (!await askPassword()) throw new Error('It was not done: your password is needed for it.');
    return run();
  }
}

export const wrongPassword = 'This password is wrong.';

// stillSignedIn tells a wrong password from a session that has ended, which the server refuses alike.
export async function stillSignedIn() {
  if (!await session()) location.reload();
}

function askPassword() {
  const code = codeField();
  return dialog('Is it still you?', (close, cancel) => [
    el('p', { class: 'dim' }, 'You signed in a while ago. Show your password once more.'),
    form('Go on', [field('Password', { name: 'password', type: 'password', autocomplete: 'current-password', autofocus: true }), code.element],
      async (values) => {
        try {
          await api('POST', '/api/v1/auth/confirm', values);
        } catch (e) {
          if (e.status === 401) await stillSignedIn();
          code.asked(e, wrongPassword);
          return;
        }
        close(true);
      }, cancel),
    el('p', {}, el('a', { href: '/sign-in?next=/security' }, 'Sign in again instead')),
  ]);
}

// The REST API, as every script uses it. The session is the HttpOnly cookie, which no page sees.

// api calls and returns the answer. A failure has the server's message, its status and the field it is about.
export async function api(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  let data = {};
  try { data = await answer.json(); } catch { /* an empty or foreign answer has no message */ }
  if (!answer.ok) {
    const detail = (data.error?.details ?? data.details)?.[0];
    const error = new Error(detail?.message || data.message || `The server answered ${answer.status}.`);
    error.status = answer.status;
    error.field = detail?.field;
    throw error;
  }
  return data;
}

// session says who is signed in: the claims of a fresh token, or null.
export async function session() {
  try {
    return claims((await api('POST', '/api/v1/sessions/renew-session', {})).jwt);
  } catch (e) {
    if (e.status === 401) return null;
    throw e;
  }
}

// A token's payload tells account and user; it is read, not checked: that is the server's business.
function claims(jwt) {
  const bytes = Uint8Array.from(atob(jwt.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

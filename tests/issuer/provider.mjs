// A real OpenID provider (the npm package oidc-provider) on loopback: whoever a client hints at is signed in, with the claims given by argument.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [port, people] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const issuer = `http://127.0.0.1:${port}`;
const callback = 'http://127.0.0.1/callback';

function key(kid, alg) {
  const pair = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

const algorithms = ['RS256', 'ES256', 'PS256'];
const provider = new Provider(issuer, {
  clients: algorithms.map((alg) => ({
    client_id: `award-${alg}`,
    token_endpoint_auth_method: 'none',
    redirect_uris: [callback],
    id_token_signed_response_alg: alg,
  })),
  jwks: { keys: algorithms.map((alg) => key(`key-${alg}`, alg)) },
  enabledJWA: { idTokenSigningAlgValues: algorithms },
  cookies: { keys: ['only for as long as a test'] },
  claims: { openid: ['sub'], award: ['name', 'role', 'org', 'body'], strength: ['acr', 'amr', 'auth_time'] },
  scopes: ['openid', 'award', 'strength'],
  conformIdTokenClaims: false,
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
});

async function interact(request, response) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    const { ago = 0, ...strength } = people[params.login_hint]?.login ?? {};
    const ts = Math.floor(Date.now() / 1000) - ago;
    return provider.interactionFinished(request, response, { login: { accountId: params.login_hint, ts, ...strength } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope('openid award strength');
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
createServer((request, response) => (request.url.startsWith('/interaction/') ? interact(request, response) : answer(request, response))).listen(
  port,
  '127.0.0.1',
  () => console.log('ready'),
);

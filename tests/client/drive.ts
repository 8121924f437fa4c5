// A front end's first page, an applicant's form and a platform's pull, typed by the API's own document alone.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Application = components["schemas"]["ApplicationAnswer"];

function known(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

const baseUrl = known("AWARD_URL");

/** Every POST but those below /auth carries a key, and what is answered 503 is asked again under the same key. */
const manners: Middleware = {
  onRequest({ request, schemaPath }) {
    if (request.method === "POST" && !schemaPath.startsWith("/api/v1/auth/")) {
      request.headers.set("Idempotency-Key", randomUUID());
    }
    return request;
  },
};

async function patient(request: Request): Promise<Response> {
  for (;;) {
    const answer = await fetch(request.clone());
    const pause = answer.headers.get("Retry-After");
    if (answer.status !== 503 || pause === null) return answer;
    await new Promise((done) => setTimeout(done, Number(pause) * 1000));
  }
}

function clientWith(token?: string) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const client = createClient<paths>({ baseUrl, headers, fetch: patient });
  client.use(manners);
  return client;
}

function form(content: Record<string, string>) {
  return { body: content as never, bodySerializer: () => new URLSearchParams(content), headers: { "Content-Type": "application/x-www-form-urlencoded" } };
}

async function signIn(role: components["schemas"]["SignInForm"]["role"]): Promise<string> {
  const body = { login: known("AWARD_LOGIN"), password: known("AWARD_PASSWORD"), role };
  const { data, error } = await clientWith().POST("/api/v1/auth/sign-in", { body });
  assert(data, JSON.stringify(error));
  return data.access_token;
}

async function machineToken(content: Record<string, string>): Promise<string> {
  const { data, error } = await clientWith().POST("/api/v1/auth/token", form(content));
  assert(data, JSON.stringify(error));
  return data.access_token;
}

async function refusedSignIn(): Promise<void> {
  const { error } = await clientWith().POST(
    "/api/v1/auth/sign-in",
    { body: { login: known("AWARD_LOGIN"), password: "wrong" } },
  );
  assert.equal(error?.code, "credentials_wrong");
}

async function apply(): Promise<Application> {
  const token = await signIn("applicant");
  const client = clientWith(token);
  const me = await client.GET("/api/v1/me");
  assert.equal(me.data?.role, "applicant");
  const started = await client.POST("/api/v1/applications", {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { cycle: known("AWARD_CYCLE"), awards: ["quality"], field: "production", fallback: false },
  });
  assert(started.data, JSON.stringify(started.error));
  const application = started.data;
  const path = { application: application.id, section: "overview" };
  const section = "/api/v1/applications/{application}/sections/{section}" as const;
  const edit = (version: string, text: string) =>
    client.PUT(section, { params: { path, header: { "If-Match": version } }, body: { summary: text, employees: 120, products: "竹制品" } });

  const saved = await edit('"0"', "虚构竹业成立于2009年。");
  assert(saved.data, JSON.stringify(saved.error));
  const stale = await edit('"0"', "另一个人的修改");
  assert.equal(stale.error?.code, "version_stale");
  const read = await client.GET("/api/v1/applications/{application}", { params: { path: { application: application.id } } });
  assert(read.data, JSON.stringify(read.error));
  const handIn = read.data.actions["submission"];
  assert(handIn && !handIn.allowed && handIn.why?.clause, "why it can't be handed in yet is an answer of the API");
  return read.data;
}

async function pull(): Promise<number> {
  const token = await machineToken({ grant_type: "client_credentials", client_id: known("AWARD_CLIENT"), client_secret: known("AWARD_CLIENT_SECRET") });
  const page = await clientWith(token).GET("/api/v1/results", { params: { query: { limit: 10 } } });
  assert(page.data, JSON.stringify(page.error));
  const [first] = page.data.items;
  assert(first && Number.isInteger(first.prize), "the award of an earlier year");
  return page.data.items.length;
}

await refusedSignIn();
const application = await apply();
const results = await pull();
console.log(JSON.stringify({ signed_in: true, application: application.state, results }));

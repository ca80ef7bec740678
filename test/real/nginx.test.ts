import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type DemoGateway, startDemoGateway } from "../support/gateway.ts";
import { isInstalled } from "./installed.ts";

describe.skipIf(!isInstalled("nginx"))("behind a real nginx (Debian package nginx-light)", () => {
  let folder: string;
  let plain: DemoGateway;
  let below: DemoGateway;
  let nginx: ChildProcess;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "delivery-graph-nginx-"));
    const server = { graphiql: true, trustedProxies: ["127.0.0.1"] };
    plain = await startDemoGateway({ settings: { server, auth: { mode: "none" } } });
    below = await startDemoGateway({ settings: { server: { ...server, path: "/kept" }, auth: { mode: "none" } } });
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const forwarded = "proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;";
    const configuration = `
daemon off; pid ${folder}/pid; error_log ${folder}/error.log; worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream plain { server ${new URL(plain.url).host}; keepalive 4; }
  server {
    listen 127.0.0.1:${port};
    large_client_header_buffers 4 32k;
    proxy_http_version 1.1; proxy_set_header Connection "";
    location /told/ { ${forwarded} proxy_set_header X-Forwarded-Prefix /told; proxy_pass http://plain/; }
    location /untold/ { ${forwarded} proxy_pass http://plain/; }
    location /kept { ${forwarded} proxy_pass http://${new URL(below.url).host}; }
    location /as-it-comes/ { ${forwarded} proxy_http_version 1.0; gzip on; gzip_types *; proxy_pass http://plain/; }
    location /mute/ { proxy_pass http://plain/; }
  }
}`;
    await writeFile(join(folder, "nginx.conf"), configuration);
    nginx = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")], {
      env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` },
      stdio: ["ignore", "inherit", "inherit"],
    });
    await vi.waitFor(async () => expect((await fetch(`${url}/untold/health`)).status).toBe(200), { timeout: 10_000 });
  });

  afterAll(async () => {
    if (nginx?.exitCode === null) {
      const ended = once(nginx, "exit");
      nginx.kill("SIGTERM");
      await ended;
    }
    await plain?.stop();
    await below?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test.each(["told", "untold", "kept"])("pages, links and graph work below /%s/", async (path) => {
    const front = await fetch(`${url}/${path}`);
    expect([front.status, front.url]).toEqual([200, `${url}/${path}/`]);
    const links = [...(await front.text()).matchAll(/href="(?!data:)([^"]*)"/g)].map(
      ([, link = ""]) => new URL(link.replaceAll("&amp;", "&"), front.url),
    );
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) {
      expect(link.href.startsWith(`${url}/${path}/`)).toBe(true);
      expect((await fetch(link, { headers: { accept: "text/html" } })).status).toBe(200);
    }
    const answer = await fetch(`${url}/${path}/graphql?query={__typename}`, { headers: { referer: `${url}/page` } });
    expect(await answer.json()).toEqual({ data: { __typename: "Query" } });
  });

  test.each(["multipart/mixed", "text/event-stream"])("parts of %s are handed on as they come", async (accept) => {
    const zadig = plain.estate.servers["zadig"];
    zadig?.setLatency(500);
    const query = "{ backends { name } ... @defer { releases(first: 1) { edges { cursor } } } }";
    const response = await fetch(`${url}/as-it-comes/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept },
      body: JSON.stringify({ query }),
    });
    const chunks: string[] = [];
    const text = new TextDecoder();
    for await (const chunk of response.body ?? []) chunks.push(text.decode(chunk));
    zadig?.setLatency(0);
    expect(chunks.join("")).toContain('"hasNext":false');
    expect(chunks[0]).toContain('"hasNext":true');
    expect(chunks[0]).not.toContain('"hasNext":false');
  });

  test("a question by GET from a page of the same site is answered where nginx says which host was asked", async () => {
    const from = (page: string, path: string) =>
      fetch(`${url}/${path}/graphql?query={__typename}`, { headers: { referer: page } }).then(({ status }) => status);
    expect(await from(`${url}/page`, "untold")).toBe(200);
    expect(await from(`${url}/page`, "mute"), "Host is the name that nginx has for the gateway").toBe(421);
    expect(await from("http://evil.example/", "untold")).toBe(403);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import {
  request as ask,
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type RequestListener,
} from "node:http";
import { type AddressInfo, connect, createServer, isIP, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { onTestFinished } from "vitest";

/** A certificate and its key, as texts and as files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly certPath: string;
  readonly keyPath: string;
}

/** An authority that signs what a test needs, by the machine's `openssl`, in a folder of its own. */
export function createAuthority(name = "authority") {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  const run = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const path = (file: string) => join(folder, file);
  const pairOf = (file: string): Pair => ({
    cert: readFileSync(path(`${file}.pem`), "utf8"),
    key: readFileSync(path(`${file}.key`), "utf8"),
    certPath: path(`${file}.pem`),
    keyPath: path(`${file}.key`),
  });
  const selfSign = (file: string, subject: string, ...more: string[]) => {
    const out = ["-keyout", `${file}.key`, "-out", `${file}.pem`];
    run("req", "-x509", ...newKey, ...out, "-subj", `/CN=${subject}`, "-days", "2", ...more);
    return pairOf(file);
  };
  const own = selfSign("ca", name, "-addext", "basicConstraints=critical,CA:TRUE");
  let count = 0;
  return {
    ...own,
    folder,
    /** `days` below zero: it has expired. */
    sign: (host: string, days = 2): Pair => {
      count += 1;
      const file = `leaf${count}`;
      run("req", ...newKey, "-keyout", `${file}.key`, "-out", `${file}.csr`, "-subj", `/CN=${host}`);
      writeFileSync(path("san"), `subjectAltName=${isIP(host) === 0 ? "DNS" : "IP"}:${host}`);
      const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san"];
      run("x509", "-req", "-in", `${file}.csr`, ...by, "-days", String(days), "-out", `${file}.pem`);
      return pairOf(file);
    },
    /**
     * The port of openssl's own server, which wants a certificate of this authority by TLS 1.2 and says so by an alert
     * (Node's only hangs up); ends with the test.
     */
    serve: async ({ certPath, keyPath }: Pair): Promise<number> => {
      const wants = ["-CAfile", "ca.pem", "-Verify", "1", "-verify_return_error", "-tls1_2", "-www"];
      const args = ["s_server", "-accept", "127.0.0.1:0", "-cert", certPath, "-key", keyPath, ...wants];
      const server = spawn("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
      onTestFinished(async () => {
        const closed = once(server, "close");
        server.kill();
        await closed;
      });
      for await (const text of server.stdout) {
        const port = /ACCEPT \S+:(\d+)/.exec(String(text))?.[1];
        if (port !== undefined) return Number(port);
      }
      throw new Error("openssl s_server did not start");
    },
    selfSigned: (host: string): Pair => selfSign("self", host, "-addext", `subjectAltName=DNS:${host}`),
    write: (file: string, text: string): string => {
      writeFileSync(path(file), text);
      return path(file);
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** A listening server: its port, its sockets now, and how many there have been. */
export interface Listening {
  readonly port: number;
  readonly sockets: () => number;
  readonly connections: () => number;
}

async function listen(server: Server): Promise<Listening> {
  const open = new Set<Socket>();
  let connections = 0;
  server.on("connection", (socket) => {
    connections += 1;
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { port, sockets: () => open.size, connections: () => connections };
}

/** TLS in front of a plain server's port; ends with the test. `shown`: what each connection showed of itself. */
export async function serveTls(options: TlsOptions, port: number) {
  const shown: { readonly serverName: string | null; readonly client: string | null }[] = [];
  const server = createTlsServer(options, (socket: TLSSocket) => {
    const { subject } = socket.getPeerCertificate();
    shown.push({ serverName: socket.servername || null, client: subject ? String(subject.CN) : null });
    const to = connect(port, "127.0.0.1");
    to.on("error", () => socket.destroy());
    socket.on("error", () => to.destroy());
    socket.pipe(to).pipe(socket);
  });
  return { ...(await listen(server.on("tlsClientError", () => {}))), shown };
}

/** A server over plain HTTP; ends with the test. */
export function servePlain(listener: RequestListener): Promise<Listening> {
  return listen(createHttpServer(listener));
}

/** The port of a server that takes connections and says nothing; ends with the test. */
export async function serveSilence(): Promise<number> {
  return (await listen(createServer())).port;
}

/** What a proxy was asked, and by whom. */
export interface ProxyRequest {
  /** `CONNECT host:port`, or the method and the whole address. */
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
}

export interface ProxyOptions {
  /** Ports on loopback by host name: the proxy alone knows these names. */
  readonly hosts?: Readonly<Record<string, number>>;
  /** `user:password` that it wants. */
  readonly credentials?: string;
  /** Status for everything. */
  readonly refuses?: number;
}

/** A proxy on loopback that tunnels by CONNECT and forwards requests with a whole address; ends with the test. */
export async function serveProxy({ hosts = {}, credentials, refuses }: ProxyOptions) {
  const asked: ProxyRequest[] = [];
  const wanted = credentials === undefined ? null : `Basic ${Buffer.from(credentials).toString("base64")}`;
  const verdict = (headers: IncomingHttpHeaders): number | null => {
    if (refuses !== undefined) return refuses;
    return wanted !== null && headers["proxy-authorization"] !== wanted ? 407 : null;
  };
  let most = 0;
  let now = 0;
  const server = createHttpServer((request, response) => {
    asked.push({ line: `${request.method} ${request.url}`, headers: request.headers });
    const refusal = verdict(request.headers);
    const { hostname, port, pathname, search, host } = new URL(request.url ?? "", "http://none.test");
    if (refusal !== null) return void response.writeHead(refusal).end();
    now += 1;
    most = Math.max(most, now);
    const { "proxy-authorization": _, ...headers } = request.headers;
    const at = { host: "127.0.0.1", port: hosts[hostname] ?? Number(port), path: pathname + search };
    const to = ask(
      { ...at, method: request.method ?? "GET", headers: { ...headers, host }, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    to.on("error", () => response.destroy()).on("close", () => (now -= 1));
    response.on("close", () => to.destroy());
    request.pipe(to);
  });
  server.on("connect", (request, socket: Socket, head) => {
    asked.push({ line: `CONNECT ${request.url}`, headers: request.headers });
    const refusal = verdict(request.headers);
    socket.on("error", () => {});
    if (refusal !== null) return void socket.end(`HTTP/1.1 ${refusal} Refused\r\n\r\n`);
    const [host = "", port] = (request.url ?? "").split(":");
    now += 1;
    most = Math.max(most, now);
    const to = connect(hosts[host] ?? Number(port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      to.write(head);
      to.pipe(socket).pipe(to);
    });
    to.on("error", () => socket.destroy()).on("close", () => {
      now -= 1;
      socket.destroy();
    });
    socket.on("close", () => to.destroy());
  });
  const listening = await listen(server);
  return {
    ...listening,
    url: `http://127.0.0.1:${listening.port}`,
    asked,
    lines: () => asked.map(({ line }) => line),
    /** The most tunnels or forwarded requests at once. */
    most: () => most,
  };
}

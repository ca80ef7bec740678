import { createServer, request as send } from "node:http";
import type { AddressInfo } from "node:net";

/** What a reverse proxy of these tests does to a request on its way. */
export interface ReverseProxyOptions {
  /** `http://host:port` of the server behind it. */
  readonly to: string;
  /** Path as it is sent on; as it came when left out. */
  readonly path?: (path: string) => string;
  /** Headers set over those that came; undefined takes one away. `host` is the address behind, unless it is set here. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Address that it connects from. */
  readonly from?: string;
}

/** A reverse proxy that runs. */
export interface ReverseProxy {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Starts a reverse proxy on a free port of 127.0.0.1. */
export async function startReverseProxy({ to, path, headers, from }: ReverseProxyOptions): Promise<ReverseProxy> {
  const target = new URL(to);
  const server = createServer((incoming, outgoing) => {
    const sent: Record<string, string | string[] | undefined> = { ...incoming.headers, host: target.host, ...headers };
    for (const name of Object.keys(sent)) if (sent[name] === undefined) delete sent[name];
    const onward = send(
      {
        host: target.hostname,
        port: target.port,
        path: path?.(incoming.url ?? "/") ?? incoming.url,
        method: incoming.method,
        headers: sent,
        ...(from === undefined ? {} : { localAddress: from }),
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

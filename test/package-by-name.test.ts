import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewayOver, serveBkrepo } from "./backends/bkrepo/literal-server.ts";

// An RPM's key holds the folder that it lies in: its name alone does not tell it.
const rpm = (key: string, name: string) => ({
  repoName: "main",
  key,
  name,
  type: "RPM",
  versions: [{ name: "1.0-1.x86_64" }],
});

let server: Awaited<ReturnType<typeof serveBkrepo>>;
let gateway: Awaited<ReturnType<typeof gatewayOver>>;
beforeAll(async () => {
  server = await serveBkrepo({
    release: "new",
    repositories: ["main"],
    packages: [
      rpm("rpm:///el7/x86_64/nginx", "nginx"),
      rpm("rpm:///el7/x86_64/curl", "curl"),
      rpm("rpm:///el8/x86_64/curl", "curl"),
    ],
  });
  gateway = await gatewayOver(server.url, { repositories: ["acme/main"] });
});
afterAll(async () => {
  await gateway.stop();
  await server.close();
});

const ask = (name: string) =>
  gateway.ask(
    `query ($name: String!) { package(ref: { backend: "bkrepo", repository: "acme/main", name: $name, format: RPM }) { key name } }`,
    { name },
  );

describe("a package that is asked for by name and format", () => {
  test("is found where its key holds more than the name", async () => {
    const { data, errors } = await ask("nginx");
    expect([data.package, errors]).toEqual([{ key: "rpm:///el7/x86_64/nginx", name: "nginx" }, undefined]);
  });

  test("is refused where several have it: the key says which", async () => {
    const { data, errors = [] } = await ask("curl");
    expect(data).toEqual({ package: null });
    expect(errors).toEqual([
      expect.objectContaining({
        path: ["package"],
        message: expect.stringContaining('"key"'),
        extensions: expect.objectContaining({ code: "BAD_USER_INPUT" }),
      }),
    ]);
  });

  test("is null, and no error, where none has it", async () => {
    expect(await ask("no-such")).toEqual({ data: { package: null } });
  });
});

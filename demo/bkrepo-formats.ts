import {
  type DemoNode,
  type DemoPackage,
  type DemoRepository,
  local,
  pack,
  stored,
  version,
} from "./bkrepo-records.ts";
import { before } from "./story.ts";

/** One small repository for each package type that the story itself has no part for. */
export const otherRepositories: readonly DemoRepository[] = [
  local("ops", "rpm-local", "RPM"),
  local("ops", "conan-local", "CONAN"),
  local("ops", "nuget-local", "NUGET"),
  local("ops", "composer-local", "COMPOSER"),
  local("ops", "models", "HUGGINGFACE"),
];

/** A package of each of these types, with its key, its paths and its record as its registry writes them. */
export function otherFormats(nodes: DemoNode[]): DemoPackage[] {
  const at = before(30);
  const one = (
    repoName: string,
    type: string,
    key: string,
    name: string,
    release: string,
    paths: readonly [string, ...string[]],
    recorded: string = paths[0],
  ) => {
    const place = { projectId: "ops", repoName };
    paths.forEach((path, index) => void stored(nodes, place, path, { size: 40_960 + index * 512, at: at + index }));
    const record = version({ name: release, size: 40_960, createdDate: at, contentPath: recorded });
    return pack({ ...place, type, key, name, records: [record] });
  };
  return [
    // The key holds the folder, the version its architecture.
    one("rpm-local", "RPM", "rpm:///el9/x86_64/pay-agent", "pay-agent", "2.4.0-1.el9.x86_64", [
      "/el9/x86_64/pay-agent-2.4.0-1.el9.x86_64.rpm",
    ]),
    // The record names the last of many files; `index.json` is the server's own.
    one("conan-local", "CONAN", "conan://_@zlib/_", "zlib", "1.3.1", [
      "/_/zlib/1.3.1/_/0e2f/package/6af9/91c5/conan_package.tgz",
      "/_/zlib/1.3.1/_/0e2f/package/6af9/91c5/conaninfo.txt",
      "/_/zlib/1.3.1/_/0e2f/export/conanfile.py",
      "/_/zlib/1.3.1/_/index.json",
    ]),
    one("nuget-local", "NUGET", "nuget://acme.pay.client", "Acme.Pay.Client", "2.4.0", [
      "/acme.pay.client/acme.pay.client.2.4.0.nupkg",
    ]),
    one("composer-local", "COMPOSER", "composer://acme/pay-client", "acme/pay-client", "2.4.0", [
      "/acme/pay-client-2.4.0.zip",
    ]),
    // The record names a folder, without its slashes.
    one(
      "models",
      "HUGGINGFACE",
      "huggingface://model/acme/fraud",
      "acme/fraud",
      "9f2c1b7e",
      ["/acme/fraud/resolve/9f2c1b7e/config.json", "/acme/fraud/resolve/9f2c1b7e/model.safetensors"],
      "acme/fraud/resolve/9f2c1b7e",
    ),
  ];
}

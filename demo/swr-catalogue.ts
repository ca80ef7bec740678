import { before, checksum, earlierBuild, hosts, images, places, release, type StoryImage, sdk } from "./story.ts";

/** A file of a software package's version. */
export interface CatalogueFile {
  readonly folder: string;
  readonly filename: string;
  readonly size: number;
}

export interface CatalogueVersion {
  readonly version: string;
  readonly description: string | null;
  readonly files: readonly CatalogueFile[];
  readonly creator: string;
  readonly created: string;
  readonly updated: string;
}

/** A software package; names are as the service spells them, percent-encoded. */
export interface CataloguePackage {
  readonly namespace: string;
  readonly domain: string;
  readonly name: string;
  readonly description: string | null;
  readonly visibility: "public" | "private" | null;
  readonly creator: string;
  readonly versions: readonly CatalogueVersion[];
}

export interface CatalogueTag {
  readonly tag: string;
  readonly digest: string;
  readonly imageId: string;
  readonly size: number;
  readonly multiArch: boolean;
  readonly created: string;
  readonly updated: string;
}

export interface CatalogueRepository {
  readonly namespace: string;
  readonly name: string;
  readonly category: string;
  readonly description: string;
  readonly isPublic: boolean;
  readonly downloads: number;
  readonly created: string;
  readonly tags: readonly CatalogueTag[];
}

/** The organization whose rows nobody but its owner sees. */
export const hiddenNamespace = "pay-vault";

/** An organization that is there, may be seen and holds nothing. */
export const emptyNamespace = "pay-attic";

const day = 86_400_000;

/** How Go prints an instant: up to nine digits of a second, trailing zeros cut. */
function goTime(millis: number, nanos = 0): string {
  const digits = `${new Date(millis).toISOString().slice(20, 23)}${String(nanos).padStart(6, "0")}`;
  const fraction = digits.replace(/0{1,9}$/, "");
  return `${new Date(millis).toISOString().slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}Z`;
}

const installer = (name: string, version: string, size: number): readonly CatalogueFile[] => [
  { folder: "/", filename: `${name}-${version}.tar.gz`, size },
  { folder: "/", filename: `${name}-${version}.tar.gz.asc`, size: 833 },
  { folder: "/docs/", filename: "CHANGELOG.md", size: 4_120 },
];

interface Series {
  readonly name: string;
  readonly versions: readonly string[];
  readonly description: string | null;
  readonly creator: string;
  /** Days between two versions, the newest shortly before the release. */
  readonly every: number;
  readonly size: number;
  readonly namespace?: string;
  readonly visibility?: CataloguePackage["visibility"];
}

function series(of: Series): CataloguePackage {
  const fileStem = decodeURIComponent(of.name).replaceAll(" ", "-");
  return {
    namespace: of.namespace ?? places.swrNamespace,
    domain: "acme-pay",
    name: of.name,
    description: of.description,
    visibility: of.visibility === undefined ? "private" : of.visibility,
    creator: of.creator,
    versions: of.versions.map((version, index) => {
      const created = before((of.versions.length - 1 - index) * of.every + 1) + index * 61_007;
      return {
        version,
        description: index % 9 === 4 ? "Security fixes only.\nUpgrade without downtime." : "",
        files: installer(fileStem, version, of.size + index * 2_048),
        creator: of.creator,
        created: goTime(created, (index * 127_000) % 1_000_000),
        updated: goTime(created + 42_000, (index * 541_000) % 1_000_000),
      };
    }),
  };
}

const dotted = (major: number, minors: number, patches: number) =>
  Array.from({ length: minors }, (_minor, minor) =>
    Array.from({ length: patches }, (_patch, patch) => `${major}.${minor}.${patch}`),
  ).flat();

/** The example of the vendor's pages, value by value; the six files add up to the size that is printed there. */
const hello: CataloguePackage = {
  namespace: "hwstaff_pub_swrpaas",
  domain: "hwstaff_pub_swrpaas",
  name: "hello%20hello",
  description: "",
  visibility: "private",
  creator: "z00232859",
  versions: [
    {
      version: "V1",
      description: "",
      creator: "z00232859",
      created: "2019-09-04T12:26:52.141081Z",
      updated: "2019-09-23T03:43:47.786248Z",
      files: [
        { folder: "/", filename: "hello.zip", size: 33_000_000 },
        { folder: "/", filename: "README.md", size: 2_417 },
        { folder: "/lib/", filename: "libhello.so", size: 524_288 },
        { folder: "/lib/", filename: "README.md", size: 1_024 },
        { folder: "conf/env", filename: "hello world.properties", size: 704 },
        { folder: "/bin/", filename: "hello", size: 196_000 },
      ],
    },
  ],
};

const smallTools = [
  ["card-tokenizer", "Replaces card numbers by tokens before anything is stored.", 9],
  ["chargeback-importer", "Reads the chargeback files of the card schemes.", 14],
  ["currency-tables", "Daily exchange rates with their sources.", 31],
  ["fraud-rules", "Rule sets of the fraud engine, one file a country.", 22],
  ["hsm-client", "Client of the hardware security modules.", 6],
  ["iso8583-codec", "Encoder and decoder of card messages.", 11],
  ["ledger-export", "Nightly export of the ledger for the auditors.", 8],
  ["merchant-onboarding", null, 5],
  ["notification-templates", "Mails and short messages in nine languages.", 17],
  ["pay-sdk-samples", "Samples for the SDK.", 12],
  ["payout-scheduler", "Moves payouts to the next banking day.", 7],
  ["pos-firmware", "Firmware of the terminals, signed.", 10],
  ["reconciliation-cli", "Compares bank statements with the ledger.", 13],
  ["refund-console", "Back office for refunds.", 9],
  ["sepa-gateway", "SEPA credit transfers and direct debits.", 16],
  ["tax-tables", "Rates by country and product group.", 24],
  ["webhook-relay", "Delivers webhooks and tries again.", 8],
] as const;

/** Every software package, oldest version first. */
export const packages: readonly CataloguePackage[] = [
  hello,
  series({
    name: "pay-sdk",
    versions: sdk.versions,
    description: "Client library of Acme Pay as an archive for customers without a package registry.",
    creator: "lin.chen",
    every: 11,
    size: 1_482_112,
    visibility: "public",
  }),
  series({
    name: "settlement-agent",
    versions: [...dotted(1, 9, 10), ...dotted(2, 5, 10)],
    description: "Runs at the bank's site and sends settlement files.\nNeeds outbound HTTPS only.",
    creator: "jonas.weber",
    every: 5,
    size: 2_684_354_560,
  }),
  series({
    name: "release%20notes",
    versions: ["v2.2.0", "v2.3.0", release.version],
    description: null,
    creator: "mara.ortiz",
    every: 45,
    size: 88_064,
    visibility: null,
  }),
  series({
    name: "%E6%94%AF%E4%BB%98%20sdk",
    versions: ["V1.0", "V1.1", "v1.1"],
    description: "支付 SDK",
    creator: "lin.chen",
    every: 90,
    size: 951_296,
  }),
  ...smallTools.map(([name, description, count], index) =>
    series({
      name,
      versions: Array.from({ length: count }, (_, minor) => `1.${minor}.0`),
      description,
      creator: index % 2 === 0 ? "lin.chen" : "jonas.weber",
      every: 9 + (index % 5),
      size: 320_000 + index * 40_960,
    }),
  ),
  {
    namespace: places.swrNamespace,
    domain: "acme-pay",
    name: "kyc-documents",
    description: "",
    visibility: "private",
    creator: "mara.ortiz",
    // Registered in the console with "upload later": no files, no size, and Go's zero time for "never".
    versions: [
      {
        version: "draft",
        description: null,
        files: [],
        creator: "mara.ortiz",
        created: "0001-01-01T00:00:00Z",
        updated: "0001-01-01T00:00:00Z",
      },
    ],
  },
  // The same names in another organization are other packages.
  series({
    name: "pay-sdk",
    namespace: "pay-edge",
    versions: ["0.1.0", "0.2.0"],
    description: "Edge build of the client library.",
    creator: "edge.bot",
    every: 30,
    size: 702_464,
  }),
  series({
    name: "settlement-agent",
    namespace: "pay-edge",
    versions: ["0.9.0"],
    description: "Trial for branch offices.",
    creator: "edge.bot",
    every: 30,
    size: 1_048_576,
  }),
];

function storyTag(image: StoryImage): CatalogueTag {
  const moved = image.now !== image.digest;
  const built = Date.parse(image.builtAt);
  return {
    tag: image.tag,
    digest: image.now ?? image.digest,
    imageId: moved ? checksum("sha256", `config of ${image.now}`) : image.imageId,
    // SWR does not add up what an index points at.
    size: image.multiArch ? 0 : moved ? image.size + 4_096 : image.size,
    multiArch: image.multiArch,
    created: goTime(built, 198_000),
    // Somebody pushed over it the day after the release.
    updated: moved ? goTime(Date.parse(release.at) + day, 541_841) : goTime(built + 4_000, 280_000),
  };
}

/** Builds of a service before the release, oldest first. */
function history(service: "api" | "web" | "worker", count: number): readonly CatalogueTag[] {
  return Array.from({ length: count }, (_, index) => {
    const { tag, digest, at, size } = earlierBuild(service, count - 1 - index);
    return {
      tag,
      digest,
      imageId: checksum("sha256", `config ${service} ${tag}`),
      size,
      multiArch: false,
      created: goTime(at, (index * 127_000) % 1_000_000),
      updated: goTime(at + 3_000, (index * 841) % 1_000_000),
    };
  });
}

const repository = (
  name: string,
  tags: readonly CatalogueTag[],
  rest: Partial<Omit<CatalogueRepository, "name" | "tags">> = {},
): CatalogueRepository => ({
  namespace: places.swrNamespace,
  name,
  category: "app_server",
  description: "",
  isPublic: false,
  downloads: tags.length * 37,
  created: goTime(before(tags.length * 2 + 30), 51_980),
  tags,
  ...rest,
});

const semantic = (name: string, versions: readonly string[], size: number): readonly CatalogueTag[] =>
  versions.map((version, index) => {
    const built = before((versions.length - index) * 12);
    return {
      tag: version,
      digest: `sha256:${checksum("sha256", `manifest ${name} ${version}`)}`,
      imageId: checksum("sha256", `config ${name} ${version}`),
      size: size + index * 1_024,
      multiArch: false,
      created: goTime(built),
      updated: goTime(built + 2_000, 500_000),
    };
  });

const smallServices = [
  "api-gateway",
  "api-mock",
  "batch",
  "callback",
  "console",
  "fraud-engine",
  "invoice",
  "kyc",
  "ledger",
  "limits",
  "mail",
  "merchant",
  "notify",
  "onboarding",
  "payout",
  "pos-bridge",
  "rates",
  "reconcile",
  "reports",
  "risk",
  "scheduler",
  "sepa",
  "settlement",
  "statement",
  "tax",
  "tokenizer",
  "vault-proxy",
  "webhook",
] as const;

const storyApi = storyTag(images.api);

/**
 * Every image repository. The service `legacy` has none any more: it was deleted. One image of before digests were
 * kept has none.
 */
export const repositories: readonly CatalogueRepository[] = [
  repository("api", [...history("api", 127), storyApi], { description: "Payment API" }),
  repository("web", [...history("web", 35), storyTag(images.web)], {
    description: "Shop front",
    isPublic: true,
  }),
  repository("worker", [...history("worker", 39), storyTag(images.worker)], {
    description: "Settlement worker",
  }),
  repository("team/tools", semantic("team/tools", dotted(0, 6, 4), 12_400_000), {
    description: "Command line tools of the team",
    category: "other",
  }),
  repository("team/base/jre", semantic("team/base/jre", ["17", "21", "25"], 61_000_000), { category: "framework_app" }),
  repository(
    "mainframe-bridge",
    [{ ...semanticFirst("mainframe-bridge"), digest: "", imageId: "", created: "0001-01-01T00:00:00Z" }],
    { description: "Kept for the archive" },
  ),
  repository("empty-shell", []),
  ...smallServices.map((name, index) =>
    repository(
      name,
      semantic(
        name,
        Array.from({ length: 3 + (index % 6) }, (_, minor) => `1.${minor}.0`),
        40_000_000 + index * 65_536,
      ),
    ),
  ),
  // A mirror near the customers holds the very bytes of the released API image.
  repository("edge/api", [...semantic("edge/api", ["0.9.0", "1.0.0"], 30_000_000), { ...storyApi, tag: "v2.4.0" }], {
    namespace: "pay-edge",
  }),
  repository("pay-core/api", semantic("pay-core/api", ["test"], 1_000_000), { namespace: "pay-edge" }),
];

function semanticFirst(name: string): CatalogueTag {
  const [first] = semantic(name, ["1.0"], 9_000_000);
  if (first === undefined) throw new RangeError("one version is one tag");
  return first;
}

/** What the service calls the public address of an image. */
export function pullAddress(namespace: string, name: string, tag?: string): string {
  return `${hosts.swr}/${namespace}/${name}${tag === undefined ? "" : `:${tag}`}`;
}

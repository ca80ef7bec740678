import { GraphQLError, GraphQLScalarType, Kind, type ValueNode, valueFromASTUntyped } from "graphql";
import { parseDigest } from "../../model/artifact.ts";
import { parsePurl, toPurl } from "../../model/purl.ts";
import { longestInAddress } from "../cost/document.ts";
import { badInput } from "../errors.ts";
import type { Resolvers } from "../generated/resolvers.ts";

const text = (value: unknown, what: string): string => {
  if (typeof value !== "string") throw new GraphQLError(`${what} must be text.`);
  return value;
};

/** Longest input of each scalar; what is longer is refused before anything takes it apart. */
const longest = { DateTime: 64, Digest: 160, PURL: 2048, URL: 2048 } as const;

/** Text that came in, and is not too long for its type. */
const input = (value: unknown, what: keyof typeof longest): string => {
  const given = text(value, what);
  if (given.length <= longest[what]) return given;
  throw badInput("BAD_USER_INPUT", `${what} must have at most ${longest[what]} characters.`);
};

const wholeNumber = (value: unknown, what: string): number => {
  if (typeof value !== "number" || !Number.isSafeInteger(value))
    throw new GraphQLError(`${what} must be a whole number.`);
  return value;
};

function stringScalar(name: keyof typeof longest, read: (value: string) => string): GraphQLScalarType<string, string> {
  return new GraphQLScalarType<string, string>({
    name,
    serialize: (value) => text(value, name),
    parseValue: (value) => read(input(value, name)),
    parseLiteral: (node: ValueNode) => {
      if (node.kind !== Kind.STRING) throw badInput("BAD_USER_INPUT", `${name} must be text.`);
      return read(input(node.value, name));
    },
  });
}

function numberScalar(name: string): GraphQLScalarType<number, number> {
  return new GraphQLScalarType<number, number>({
    name,
    serialize: (value) => wholeNumber(value, name),
    parseValue: (value) => wholeNumber(value, name),
    parseLiteral: (node: ValueNode) => wholeNumber(node.kind === Kind.INT ? Number(node.value) : Number.NaN, name),
  });
}

/** http(s) addresses only, and never with user-info: checked where they leave, wherever they come from. */
function cleanUrl(value: string): string {
  if (!URL.canParse(value)) throw new GraphQLError("URL must be an absolute address.");
  const url = new URL(value);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new GraphQLError("URL must be http or https.");
  if (url.username !== "" || url.password !== "") throw new GraphQLError("URL must not hold user-info.");
  return value;
}

/** Implementations of the schema's scalars. Input that does not fit is BAD_USER_INPUT. */
const scalars = {
  DateTime: stringScalar("DateTime", (value) => {
    if (Number.isNaN(Date.parse(value))) throw badInput("BAD_USER_INPUT", "DateTime must be RFC 3339 text.");
    return new Date(value).toISOString();
  }),
  Digest: stringScalar("Digest", (value) => {
    const digest = parseDigest(value);
    if (!digest)
      throw badInput(
        "BAD_USER_INPUT",
        'Digest must be "algorithm:hex" of sha256, sha512, sha1 or md5, or bare hex of 64 or 128 digits.',
      );
    return digest;
  }),
  PURL: stringScalar("PURL", (value) => {
    const purl = parsePurl(value);
    const canonical = purl && toPurl(purl);
    if (!canonical) throw badInput("BAD_USER_INPUT", "PURL must be a package URL, such as pkg:maven/com.acme/app@1.0.");
    if (canonical.length > longestInAddress) {
      throw badInput("BAD_USER_INPUT", `PURL must have at most ${longestInAddress} bytes once it is encoded.`);
    }
    return canonical;
  }),
  ByteSize: numberScalar("ByteSize"),
  Long: numberScalar("Long"),
  URL: new GraphQLScalarType<string, string>({
    name: "URL",
    serialize: (value) => cleanUrl(text(value, "URL")),
    parseValue: (value) => cleanUrl(input(value, "URL")),
  }),
  JSON: new GraphQLScalarType<unknown, unknown>({
    name: "JSON",
    serialize: (value) => value,
    parseValue: (value) => value,
    parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
  }),
};

/** Resolvers of schema/root.graphql. */
export const rootResolvers: Resolvers = {
  ...scalars,
  Query: {
    backends: (_root, _args, { estate }) => estate.backends,
  },
};

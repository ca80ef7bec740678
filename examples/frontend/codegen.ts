import type { CodegenConfig } from "@graphql-codegen/cli";

/** Types for the operations of operations.ts, and the manifest that lets a gateway run these and nothing else. */
const config: CodegenConfig = {
  schema: "../../schema/printed/standalone.graphql",
  documents: ["operations.ts"],
  generates: {
    "generated/": {
      preset: "client",
      presetConfig: { fragmentMasking: false, persistedDocuments: { hashAlgorithm: "sha256" } },
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: {
          DateTime: "string",
          PURL: "string",
          Digest: "string",
          ByteSize: "number",
          Long: "number",
          URL: "string",
          JSON: "unknown",
        },
      },
    },
  },
};

export default config;

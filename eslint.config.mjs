import { stripTypeScriptTypes } from "node:module";
import graphqlPlugin from "@graphql-eslint/eslint-plugin";
import redos from "eslint-plugin-redos";
import * as espree from "espree";

const schema = "schema/printed/standalone.graphql";

/** Where a rule does not hold, and why; an entry that is needed no more is an error as well. */
const exceptions = {
  "relay-arguments": {
    "PackageSearchGroup.packages": "first is an argument of the search, which asks every backend for its first rows",
  },
  "relay-edge-types": {
    "PackageFileEdge.node": "a file is found again by its version and its path: it has no id of its own",
  },
};

/** The plugin's rule, silent at its exceptions. */
function excepted(name) {
  const { create, meta } = graphqlPlugin.rules[name];
  const left = new Set(Object.keys(exceptions[name]));
  return {
    meta,
    create: (context) => {
      const report = (found) => {
        const at = coordinateOf(found.node);
        if (!(at in exceptions[name])) context.report(found);
        left.delete(at);
      };
      const listeners = create(Object.create(context, { report: { value: report } }));
      const end = (node) => {
        for (const at of left) context.report({ node, message: `${at} is fine now: take the exception away` });
      };
      return { ...listeners, "Document:exit": end };
    },
  };
}

/** `Type.field` of whatever lies in or at a field; an edge's type stands for its node. */
function coordinateOf(node) {
  for (let at = node; at; at = at.parent) {
    if (at.kind === "FieldDefinition") return `${at.parent.name.value}.${at.name.value}`;
    if (at.kind === "ObjectTypeDefinition") return `${at.name.value}.node`;
  }
  return "";
}

/** Reads TypeScript as the JavaScript that runs: types become blanks, so that every line and column stays. */
const stripped = {
  meta: { name: "stripped-typescript" },
  parseForESLint: (text, options) => ({
    ast: espree.parse(stripTypeScriptTypes(text), { ...options, ecmaVersion: "latest", sourceType: "module" }),
    visitorKeys: espree.VisitorKeys,
  }),
};

// The code is Biome's but for two things, as texts and lists come from strangers: no pattern may have two ways to read a
// letter, and no list is spread into arguments.
//
// Of the schema, the whole is linted as clients see it, which a test holds to be what the files in schema/ say. Those have federation's own words in them, which are not ours to name or describe.
export default [
  {
    files: ["src/**/*.ts", "src/**/*.js"],
    ignores: ["src/graph/generated/**"],
    languageOptions: { parser: stripped },
    // Comments for Biome are none for this.
    linterOptions: { reportUnusedDisableDirectives: false },
    plugins: { redos },
    rules: {
      "redos/no-vulnerable": ["error", { timeout: 10_000 }],
      "no-restricted-syntax": [
        "error",
        {
          selector:
            "CallExpression[callee.property.name=/^(?:push|unshift|splice|concat|max|min|fromCharCode|fromCodePoint|of)$/] > SpreadElement",
          message: "Arguments are put on the stack, which a long list overflows: use a loop.",
        },
      ],
    },
  },
  {
    files: [schema],
    languageOptions: { parser: graphqlPlugin.parser, parserOptions: { graphQLConfig: { schema } } },
    plugins: {
      "@graphql-eslint": graphqlPlugin,
      schema: { rules: Object.fromEntries(Object.keys(exceptions).map((name) => [name, excepted(name)])) },
    },
    rules: {
      ...graphqlPlugin.configs["flat/schema-recommended"].rules,
      ...graphqlPlugin.configs["flat/schema-relay"].rules,
      "@graphql-eslint/require-description": [
        "error",
        {
          types: true,
          rootField: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
        },
      ],
      "@graphql-eslint/no-scalar-result-type-on-mutation": "error",
      "@graphql-eslint/relay-arguments": "off",
      "@graphql-eslint/relay-edge-types": "off",
      // Lists page forward only, and lists that are bounded and at hand are plain lists.
      "schema/relay-arguments": ["error", { includeBoth: false }],
      "schema/relay-edge-types": [
        "error",
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],
      // What can be read again by itself has an id; a value has none, and a made-up one would be a lie.
      "@graphql-eslint/strict-id-in-types": "off",
      // One line where it fits, a block where it does not.
      "@graphql-eslint/description-style": "off",
    },
  },
];

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { redactManifests } from "../../src/graph/artifact/manifests.ts";

const canary = "hunter2canary";
const shown = (text: string) => redactManifests([text]).map((one): unknown => parse(one));

describe("a manifest", () => {
  test("without secrets is shown as it is meant", () => {
    const text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  replicas: 2\n";
    expect(shown(text)).toEqual([parse(text)]);
  });

  test("of several documents is shown document by document", () => {
    expect(shown("kind: Service\n---\n---\nkind: ConfigMap\n")).toEqual([{ kind: "Service" }, { kind: "ConfigMap" }]);
  });

  test("that is a Secret keeps what identifies it and nothing else", () => {
    const text = `apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata: {name: db, namespace: pay, labels: {x: ${canary}}}\ndata: {password: ${canary}}\nstringData: {user: ${canary}}\nother: ${canary}`;
    expect(shown(text)).toEqual([
      {
        apiVersion: "v1",
        kind: "Secret",
        type: "Opaque",
        metadata: { name: "db", namespace: "pay" },
      },
    ]);
  });

  test.each([
    ["inside a list", `kind: List\nitems:\n- kind: Secret\n  data: {a: ${canary}}`],
    ["a list of them", `kind: SecretList\nitems:\n- metadata: {name: db}\n  data: {a: ${canary}}`],
    ["a patch that does not say its kind", `metadata: {name: db}\nstringData: {a: ${canary}}`],
    ["with keys in another case", `Kind: Secret\nData: {a: ${canary}}\nStringData: {b: ${canary}}`],
    [
      "inside a template",
      `kind: Template\nobjects:\n- {kind: ConfigMap}\n- {kind: Secret, stringData: {a: ${canary}}}`,
    ],
    ["deep inside", `kind: X\nspec: {a: {b: [{c: {kind: Secret, data: {a: ${canary}}}}]}}`],
    ["written as JSON", `{"kind": "Secret", "data": {"a": "${canary}"}}`],
    ["quoted and spaced", `"kind": " Secret "\n'data': {a: ${canary}}`],
    ["in another case", `kind: SECRET\ndata: {a: ${canary}}`],
    ["put together by a merge key", `base: &b {kind: Secret}\nwhole:\n  <<: *b\n  data: {a: ${canary}}`],
    ["by an anchor on its kind", `x: &k Secret\nwhole: {kind: *k, data: {a: ${canary}}}`],
    ["as a block of text", `kind: Secret\ndata: |\n  a: ${canary}`],
    ["in a second document", `kind: Service\n---\nkind: Secret\ndata: {a: ${canary}}`],
    ["in a comment", `kind: Service # ${canary}\n# data: ${canary}\nmetadata: {name: a}`],
    ["in a comment of a Secret", `# ${canary}\nkind: Secret\n# data: ${canary}\ndata: {a: b}`],
    ["with a key given twice", `kind: Secret\ndata: {a: ${canary}}\nkind: ConfigMap`],
    ["in a template of text", `kind: Secret\ndata: {{ .Values.${canary} }}`],
    ["in an unknown tag", `kind: !secret Secret\ndata: !x {a: ${canary}}`],
    [
      "in what was last applied",
      `kind: Deployment\nmetadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{"env":"${canary}"}'`,
    ],
    ["in a literal variable", `kind: Deployment\nspec: {containers: [{env: [{name: DB_PASSWORD, value: ${canary}}]}]}`],
    [
      "in a key that says so",
      `kind: ConfigMap\ndata: {redis-password: ${canary}, apiKey: ${canary}, auth_token: ${canary}}`,
    ],
    ["beyond the size that is read", `kind: ConfigMap\ndata: {a: ${canary}, b: ${"x".repeat(300_000)}}`],
    [
      "in anchors without end",
      `a: &a [${canary}]\nb: &b [${"*a,".repeat(9)}*a]\nc: &c [${"*b,".repeat(9)}*b]\nd: &d [${"*c,".repeat(9)}*c]\ne: [${"*d,".repeat(9)}*d]`,
    ],
    ["in a nest without end", `${"[".repeat(20_000)}${canary}`],
  ])("shows no secret %s", (_where, text) => {
    expect(redactManifests([text]).join("\n")).not.toContain(canary);
  });

  test("still says where a secret is to be found", () => {
    const text =
      "kind: Deployment\nspec:\n  imagePullSecrets: [{name: regcred}]\n  env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: db, key: token}}}]\n  volumes: [{secret: {secretName: tls}}]\n";
    expect(shown(text)).toEqual([parse(text)]);
  });

  test("is one of so many as fit a page", () => {
    const large = stringify({ kind: "ConfigMap", data: { a: "x".repeat(250_000) } });
    expect(redactManifests(Array.from({ length: 9 }, () => large))).toHaveLength(4);
  });

  test("of any form loses every Secret's data, and what is shown is YAML", () => {
    const value = fc.oneof(fc.constant(canary), fc.string(), fc.integer(), fc.boolean());
    const secret = fc.record({ kind: fc.constant("Secret"), data: fc.dictionary(fc.string(), value) });
    const tree: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        secret,
        fc.string(),
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "items", "spec"), tie("node")),
      ),
    })).node;
    fc.assert(
      fc.property(tree, fc.constantFrom(0, 2), (data, indent) => {
        const text = indent === 0 ? JSON.stringify(data) : stringify(data, { indent });
        const printed = redactManifests([text]);
        expect(printed.join("\n")).not.toContain(canary);
        for (const one of printed) expect(parseAllDocuments(one)).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });
});

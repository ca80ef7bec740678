import fc from "fast-check";
import {
  buildSchema,
  type DefinitionNode,
  type ExecutionResult,
  execute,
  type GraphQLSchema,
  type OperationDefinitionNode,
  parse,
} from "graphql";
import { describe, expect, test } from "vitest";
import { executePlan } from "../../src/server/fast-path/executor.ts";
import { createPlan } from "../../src/server/fast-path/plan.ts";

// The runner of plans against the reference execution: random objects in which anything may be missing, late or broken.

const sdl = `
  interface Thing { name: String }
  type Query { root: Tree }
  type Tree implements Thing {
    name: String
    must: Int!
    may: Int
    child: Tree
    strict: Tree!
    many: [Tree]
    all: [Tree!]!
    thing: Thing
    method(twice: Int = 1): Int
  }
`;
const strict = buildSchema(sdl);
// The reference forgets about the rows of a list that is lost: where they fail later, nobody is there to hear it.
const lenient = buildSchema(sdl.replace("[Tree!]!", "[Tree]!"));

const query = `query($deep: Boolean!) {
  root { ...T strict { ...T } child @include(if: $deep) { ...T all { ...T } } again: may }
}
fragment T on Tree {
  __typename name must may method(twice: 2)
  many { name must }
  all { must child { must } }
  thing { name ... on Tree { must } }
}`;

const atOnce = ["value", "null", "error", "nonsense"] as const;
const sooner = [...atOnce, "late", "late error"] as const;
type Kind = (typeof sooner)[number];
type Cell = { readonly kind: Kind; readonly value: unknown };
type Cells = Record<string, Cell>;

const depths = { depthSize: "small", maxDepth: 5 } as const;

/** Objects whose values come in these ways, most of them as they should. */
function trees(kinds: readonly Kind[]): fc.Arbitrary<Cells> {
  const { tree } = fc.letrec<{ tree: Cells }>((tie) => {
    const kind = fc.oneof({ weight: 5, arbitrary: fc.constant<Kind>("value") }, fc.constantFrom(...kinds));
    const cell = (value: fc.Arbitrary<unknown>) => fc.record({ kind, value });
    const number = cell(fc.integer({ min: 0, max: 9 }));
    const other = fc.option(tie("tree"), { nil: null, ...depths });
    const list = cell(fc.array(other, { maxLength: 3, ...depths }));
    return {
      tree: fc.record({
        name: cell(fc.string()),
        must: number,
        may: number,
        method: number,
        child: cell(other),
        strict: cell(other),
        thing: cell(other),
        many: list,
        all: list,
      }),
    };
  });
  return tree;
}

/** The object that resolvers see; made anew for each execution, since promises are used up. */
function grow(cells: Cells | null): unknown {
  if (cells === null) return null;
  const grown: Record<string, unknown> = { __typename: "Tree" };
  for (const [name, { kind, value }] of Object.entries(cells)) {
    const sourceWithStatus = Array.isArray(value)
      ? value.map((one) => grow(one))
      : typeof value === "object"
        ? grow(value as Cells | null)
        : value;
    const said = {
      value: () => sourceWithStatus,
      late: () => Promise.resolve(sourceWithStatus),
      null: () => null,
      error: () => new Error(`no ${name}`),
      "late error": () => {
        const failing = Promise.reject(new Error(`late, no ${name}`));
        failing.catch(() => null);
        return failing;
      },
      nonsense: () => (name === "name" ? { no: "text" } : "nonsense"),
    }[kind];
    grown[name] = name === "method" || name === "many" ? () => said() : said();
  }
  return grown;
}

const document = parse(query);
const operation = operationIn(document.definitions[0]);

function operationIn(definition: DefinitionNode | undefined): OperationDefinitionNode {
  if (definition?.kind === "OperationDefinition") return definition;
  throw new Error("the operation stands first");
}

async function both(schema: GraphQLSchema, cells: Cells, deep: boolean) {
  const variableValues = { deep };
  const rooted = () => ({ root: grow(cells) });
  const told = await execute({ schema, document, rootValue: rooted(), variableValues });
  const plan = createPlan(schema, document, operation, variableValues);
  if (plan === null) throw new Error("this can be planned");
  const ran = await executePlan(plan, variableValues, {}, null, rooted());
  const sourceWithStatus = (result: ExecutionResult) => JSON.parse(JSON.stringify(result));
  return [sourceWithStatus(ran), sourceWithStatus(told)] as const;
}

describe("a plan answers what the reference execution answers", () => {
  test("where everything is at hand: the same data and errors", async () => {
    await fc.assert(
      fc.asyncProperty(trees(atOnce), fc.boolean(), async (cells, deep) => {
        const [ran, told] = await both(strict, cells, deep);
        expect(ran).toEqual(told);
      }),
      { numRuns: 500 },
    );
  });

  // Which of two failures in one lost object is told depends on which came first, and either may be.
  test("where some of it is late: the same data, and an error for the same losses", async () => {
    await fc.assert(
      fc.asyncProperty(trees(sooner), fc.boolean(), async (cells, deep) => {
        const [ran, told] = await both(lenient, cells, deep);
        expect(ran.data).toEqual(told.data);
        expect(ran.errors === undefined).toBe(told.errors === undefined);
      }),
      { numRuns: 500 },
    );
  });

  test("and never forgets about what fails late in something that is lost already", async () => {
    await fc.assert(
      fc.asyncProperty(trees(sooner), async (cells) => {
        const plan = createPlan(strict, document, operation, { deep: true });
        // A rejection that nobody handles fails the run.
        if (plan) await executePlan(plan, { deep: true }, {}, null, { root: grow(cells) });
      }),
      { numRuns: 500 },
    );
  });
});

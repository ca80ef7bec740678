import { GraphQLError } from "graphql";

/** Code and message of a refusal, null where nothing is thrown; passes on anything else that is thrown. */
export function refusalOf(read: () => unknown): readonly [code: unknown, message: string] | null {
  try {
    read();
    return null;
  } catch (error) {
    if (error instanceof GraphQLError) return [error.extensions["code"], error.message];
    throw error;
  }
}

/** The code of a refusal alone. */
export function codeOf(read: () => unknown): unknown {
  return refusalOf(read)?.[0] ?? null;
}

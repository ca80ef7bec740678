import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputType,
  getNamedType,
  isInputObjectType,
  isScalarType,
  isSpecifiedScalarType,
} from "graphql";
import { checkValues, isTooLongInAddress, longestInAddress } from "../cost/values.ts";
import { badInput } from "../errors.ts";
import { checkCursor } from "../identity/opaque.ts";
import { checkedFirst } from "./connection.ts";

/** Longer names, keys and references exist nowhere. */
const longestText = 1024;

/** Most entries of a list: as many as a page has rows. */
const mostEntries = 100;
/** Most entities of one question: routers put together what many of their own questions need. */
const mostRepresentations = 1000;

/**
 * Refuses what no list and no backend can mean, wherever it stands in an operation and before anything is asked: a page
 * that no list gives, a list of too many entries, text that is no cursor, text that is empty, endless or holds control
 * characters. `args` are the values as coerced. Throws BAD_USER_INPUT, COST_LIMIT_EXCEEDED or BAD_CURSOR.
 */
export function checkArguments(given: readonly GraphQLArgument[], args: Readonly<Record<string, unknown>>): void {
  for (const { name, type } of given) {
    const value = args[name];
    if (name === "first") checkedFirst(typeof value === "number" ? value : null);
    else if (name === "after") {
      if (typeof value === "string") checkCursor(value);
    } else checkValue(name, type, value);
  }
}

function checkValue(name: string, type: GraphQLInputType, value: unknown): void {
  const named = getNamedType(type);
  if (Array.isArray(value)) {
    const most = name === "representations" ? mostRepresentations : mostEntries;
    if (value.length > most) throw badInput("COST_LIMIT_EXCEEDED", `"${name}" must have at most ${most} entries.`);
    for (const one of value) checkValue(name, named, one);
  } else if (isInputObjectType(named)) {
    for (const field of Object.values<GraphQLInputField>(named.getFields())) {
      checkValue(field.name, field.type, valueIn(value, field.name));
    }
  } else if (named.name === "String" && typeof value === "string") checkText(name, value);
  // A representation is anything at all, and may be written out in the document.
  else if (isScalarType(named) && !isSpecifiedScalarType(named)) checkValues(value);
}

function checkText(name: string, value: string): void {
  if (value.trim() === "") throw badInput("BAD_USER_INPUT", `"${name}" must not be empty: leave it out to mean any.`);
  if (value.length > longestText)
    throw badInput("BAD_USER_INPUT", `"${name}" must have at most ${longestText} characters.`);
  if (isTooLongInAddress(value)) {
    throw badInput("BAD_USER_INPUT", `"${name}" must have at most ${longestInAddress} bytes as part of an address.`);
  }
  if (/\p{Cc}/u.test(value)) throw badInput("BAD_USER_INPUT", `"${name}" must not hold control characters.`);
}

function valueIn(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : null;
}

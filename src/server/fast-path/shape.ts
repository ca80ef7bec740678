import {
  type GraphQLAbstractType,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from "graphql";

/** A field's type, so that completing a value needs no questions about the type itself. */
export type Shape =
  | { readonly is: "REQUIRED"; readonly of: Shape }
  | { readonly is: "LIST"; readonly of: Shape; readonly isRequired: boolean }
  | { readonly is: "LEAF"; readonly type: GraphQLLeafType }
  | { readonly is: "OBJECT"; readonly type: GraphQLObjectType }
  | { readonly is: "ABSTRACT"; readonly type: GraphQLAbstractType };

const known = new WeakMap<GraphQLOutputType, Shape>();

/** The shape of a type. */
export function shapeOf(type: GraphQLOutputType): Shape {
  const found = known.get(type);
  if (found) return found;
  const made = make(type);
  known.set(type, made);
  return made;
}

function make(type: GraphQLOutputType): Shape {
  if (isNonNullType(type)) return { is: "REQUIRED", of: shapeOf(type.ofType) };
  if (isListType(type)) return { is: "LIST", of: shapeOf(type.ofType), isRequired: isNonNullType(type.ofType) };
  if (isLeafType(type)) return { is: "LEAF", type };
  return isObjectType(type) ? { is: "OBJECT", type } : { is: "ABSTRACT", type };
}

import {
  type ConstDirectiveNode,
  type DefinitionNode,
  type DocumentNode,
  type FieldDefinitionNode,
  type InputValueDefinitionNode,
  Kind,
  print,
} from "graphql";

/**
 * A schema as one line for each thing that a client can rely on: `Type.field: Type!`, `Type.field(arg:): Type = default`,
 * `Enum.VALUE`, `Input.field: Type = default`, `Type implements Interface`, `Type @key(fields: "id")`. Descriptions and
 * order do not count, so that two schemas can be compared as sets.
 */
export function coordinatesOf({ definitions }: DocumentNode): string[] {
  return [...new Set(definitions.flatMap(linesOf))].sort();
}

function linesOf(node: DefinitionNode): string[] {
  switch (node.kind) {
    case Kind.SCALAR_TYPE_DEFINITION:
      return [`scalar ${node.name.value}`];
    case Kind.ENUM_TYPE_DEFINITION:
      return (node.values ?? []).map(({ name }) => `${node.name.value}.${name.value}`);
    case Kind.INPUT_OBJECT_TYPE_DEFINITION:
      return (node.fields ?? []).map((field) => inputLine(`${node.name.value}.${field.name.value}`, field));
    case Kind.INTERFACE_TYPE_DEFINITION:
    case Kind.OBJECT_TYPE_DEFINITION:
    case Kind.OBJECT_TYPE_EXTENSION:
      return [
        ...(node.interfaces ?? []).map(({ name }) => `${node.name.value} implements ${name.value}`),
        ...promised(node.directives).map((directive) => `${node.name.value} ${directive}`),
        ...(node.fields ?? []).flatMap((field) => fieldLines(node.name.value, field)),
      ];
    default:
      return [];
  }
}

function fieldLines(type: string, { name, type: of, arguments: given }: FieldDefinitionNode): string[] {
  const field = `${type}.${name.value}`;
  return [`${field}: ${print(of)}`, ...(given ?? []).map((one) => inputLine(`${field}(${one.name.value}:)`, one))];
}

function inputLine(coordinate: string, { type, defaultValue }: InputValueDefinitionNode): string {
  return `${coordinate}: ${print(type)}${defaultValue ? ` = ${print(defaultValue)}` : ""}`;
}

/** Directives that other teams' graphs are composed by; the rest is ours to change. */
function promised(directives: readonly ConstDirectiveNode[] | undefined): string[] {
  return (directives ?? []).filter(({ name }) => name.value === "key" || name.value === "shareable").map(print);
}

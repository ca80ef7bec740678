/** A field that holds text. */
export function textField(field: number, text: string): Uint8Array {
  return bytesField(field, Buffer.from(text));
}

/** A field that holds bytes, or another message. */
export function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([tag(field, 2), varint(bytes.length), bytes]);
}

/** A field that holds a whole number from 0 to 2^53-1, of any of the variable-length kinds. */
export function numberField(field: number, value: number): Uint8Array {
  return Buffer.concat([tag(field, 0), varint(value)]);
}

/** A field that holds a double. */
export function doubleField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, 1), bytes]);
}

function tag(field: number, kind: 0 | 1 | 2): Uint8Array {
  return varint(field * 8 + kind);
}

/** Seven bits a byte, the lowest first; all but the last with the high bit set. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  // Divided, not shifted: shifts cut numbers at 32 bits.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

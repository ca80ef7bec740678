import { Trace } from "@apollo/usage-reporting-protobuf";

/** A federated trace as Apollo's own reader understands it. */
export function readTrace(ftv1) {
  const trace = Trace.decode(Buffer.from(ftv1, "base64"));
  return Trace.toObject(trace, { longs: Number, defaults: false });
}

// Preloaded into the subgraphs of the compatibility tests, which insist on ports of their own: they get free ones and say which.
import { Server } from "node:net";

const listen = Server.prototype.listen;
Server.prototype.listen = function (...given) {
  const last = given.at(-1);
  this.once("listening", () => process.stdout.write(`listening on ${this.address().port}\n`));
  return listen.call(this, 0, "127.0.0.1", ...(typeof last === "function" ? [last] : []));
};

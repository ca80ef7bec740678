import { Environment, type FetchFunction, Network, RecordSource, Store } from "relay-runtime";

/** Relay over the gateway. Operations are sent by the id under which the compiler has written them to persisted.json. */
export function createRelayEnvironment(url: string): Environment {
  const ask: FetchFunction = async ({ id }, variables) => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id, variables }),
    });
    return response.json();
  };
  return new Environment({ network: Network.create(ask), store: new Store(new RecordSource()) });
}

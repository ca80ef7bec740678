// Reads { url, queries: [{ query, variables }] } from stdin, writes the answers of both gateways over the two subgraphs.
import { json } from "node:stream/consumers";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import { annotationsSdl, serveAnnotations } from "./annotations.mjs";
import { composeApollo } from "./composition.mjs";
import { readTrace } from "./trace.mjs";

const { url, queries } = await json(process.stdin);
const annotations = await serveAnnotations();
const { sdl } = (await post(url, { query: "{ _service { sdl } }" })).data._service;
const { supergraph, errors } = composeApollo([
  { name: "delivery", url, sdl },
  { name: "annotations", url: annotations.url, sdl: annotationsSdl },
]);
if (supergraph === null) throw new Error(errors.join("\n"));

process.stdout.write(JSON.stringify({ apollo: await throughApollo(), hive: await throughHive() }));
annotations.close();

async function throughApollo() {
  const sent = [];
  const traces = [];
  class Watched extends RemoteGraphQLDataSource {
    willSendRequest({ request }) {
      request.http.headers.set("apollo-federation-include-trace", "ftv1");
      if (this.name === "delivery") sent.push({ query: request.query, variables: request.variables });
    }
    didReceiveResponse({ response }) {
      const ftv1 = response.extensions?.ftv1;
      if (ftv1) traces.push(readTrace(ftv1));
      return response;
    }
  }
  const gateway = new ApolloGateway({
    supergraphSdl: supergraph,
    buildService: ({ name, url: at }) => Object.assign(new Watched({ url: at }), { name }),
  });
  const server = new ApolloServer({ gateway });
  await server.start();
  const answers = [];
  for (const request of queries) {
    const { body } = await server.executeOperation(request);
    answers.push(JSON.parse(JSON.stringify(body.singleResult)));
  }
  await server.stop();
  return { answers, sent, traces };
}

async function throughHive() {
  const runtime = createGatewayRuntime({ supergraph, logging: false });
  const answers = [];
  for (const request of queries) {
    const response = await runtime.fetch("http://gateway/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    answers.push(await response.json());
  }
  await runtime.dispose?.();
  return { answers };
}

async function post(to, body) {
  const response = await fetch(to, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

/** Stands in every answer of the demo, and in none of a gateway that serves a configuration. */
export const demoHeader = { name: "x-delivery-graph", value: "demo" } as const;

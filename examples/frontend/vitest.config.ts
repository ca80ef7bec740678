import { defineConfig } from "vitest/config";

/** Runs these clients against the gateway at GATEWAY_URL, a demo's; `npm test` at the top does so. */
export default defineConfig({
  plugins: [
    {
      name: "relay-artifacts",
      // What babel-plugin-relay does in a build: each tagged text is the artifact that the compiler wrote for it.
      transform: (code, id) => {
        if (!/\/relay\/[\w-]+\.tsx$/.test(id)) return null;
        const names: string[] = [];
        const replaced = code.replace(/graphql`\s*(?:query|fragment)\s+(\w+)[^`]*`/g, (_text, name: string) => {
          names.push(name);
          return `artifact_${name}`;
        });
        const imports = names.map((name) => `import artifact_${name} from "./__generated__/${name}.graphql";`);
        return { code: `${imports.join("")}${replaced}`, map: null };
      },
      enforce: "pre",
    },
  ],
  test: { environment: "node", include: ["tests/*.test.{ts,tsx}"], testTimeout: 20_000 },
});

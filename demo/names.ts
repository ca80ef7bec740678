/** The four backends of the demo by their configured names; apart from the estate, which only the demo has to load. */
export const demoBackends = [
  { name: "zadig", kind: "zadig" },
  { name: "bkrepo", kind: "bkrepo" },
  { name: "swr-north4", kind: "swr" },
  { name: "gitlab", kind: "gitlab" },
] as const;
